"""Cells and their arrows on two dimensions of an embedding, and their mean arrows on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from scipy.ndimage import gaussian_filter

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._embeddings import check_arrows, check_finite_embedding

from ._axes import finished, new_axes
from ._legend import make_room

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ._colors import CellColors

__all__ = ["FAINT", "STRONG", "Plane", "field_on_grid"]

# arrows that can be told from noise, and those that cannot
STRONG, FAINT = "0.1", "0.6"


@dataclass(frozen=True, eq=False)
class Field:
    """Mean arrows on a regular grid, shape (rows, columns), masked where cells are too few."""

    # coordinates of columns, and of rows
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    u: np.ma.MaskedArray
    v: np.ma.MaskedArray
    # share of the cells around each point whose direction is; 1 where nobody has tested them
    determined: NDArray[np.float64]

    @property
    def length(self) -> np.ma.MaskedArray:
        """Lengths of the arrows, shape (rows, columns)."""
        return np.ma.sqrt(self.u**2 + self.v**2)


def field_on_grid(
    points: NDArray[np.float64],
    arrows: NDArray[np.float64],
    determined: NDArray[np.bool_] | None = None,
    *,
    n_grid: int = 50,
    smoothing: float = 1.0,
    min_mass: float = 0.05,
) -> Field:
    r"""Average the arrows of cells around the points of a grid.

    A Gaussian kernel average (Nadaraya and Watson) on binned cells,

    .. math:: a(g) = \sum_i K(g - e_i) a_i / \textstyle\sum_i K(g - e_i)

    which costs the same for any number of cells. Cells without an arrow do not count. `smoothing`
    is the standard deviation of the kernel, in steps of the grid; where the density of cells is
    below `min_mass` of its 99th percentile, the field is masked.
    """
    some = np.isfinite(arrows).all(axis=1)
    points, arrows = points[some].astype(np.float64), arrows[some].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high > low, 0.02 * (high - low), 0.5)
    edges = [
        np.linspace(a, b, n_grid + 1) for a, b in zip(low - margin, high + margin, strict=True)
    ]

    def smoothed(weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        binned, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=edges, weights=weights)
        return gaussian_filter(binned.T, smoothing, mode="constant")

    mass = smoothed(None)
    empty = mass < min_mass * np.percentile(mass[mass > 0], 99)
    divisor = np.where(empty, 1.0, mass)
    u, v = (np.ma.array(smoothed(arrows[:, d]) / divisor, mask=empty) for d in (0, 1))
    x, y = (0.5 * (edge[:-1] + edge[1:]) for edge in edges)
    share = np.ones_like(mass)
    if determined is not None:
        share = smoothed(determined[some].astype(np.float64)) / divisor
    return Field(x, y, u, v, share)


@dataclass(frozen=True, eq=False)
class Plane:
    """Cells and their arrows on two of the dimensions of an embedding, shape (cells, 2)."""

    basis: str
    components: tuple[int, int]
    points: NDArray[np.float64]
    # NaN for cells without one
    arrows: NDArray[np.float64]
    # whether a cell's direction can be told from noise; None where nobody has tested it
    determined: NDArray[np.bool_] | None

    @classmethod
    def of(cls, adata: AnnData, basis: str, velocity_key: str, components: tuple[int, int]) -> Self:
        """Read embedding, arrows and what was tested of them; refuse if no cell has an arrow."""
        check_adata(adata)
        basis = basis.removeprefix("X_")
        points = check_finite_embedding(adata, basis)
        arrows = check_arrows(adata, basis, velocity_key)
        if max(components) >= points.shape[1]:
            msg = f"components={components} ask for more than the {points.shape[1]} of {basis!r}."
            raise ValueError(msg)
        chosen = list(components)
        points, arrows = points[:, chosen], arrows[:, chosen]
        if not np.isfinite(arrows).all(axis=1).any():
            msg = f"no cell has an arrow on {basis!r}; see the warnings of tl.velocity_graph."
            raise ValueError(msg)
        # what was tested may be fewer components than a wide embedding has
        tested = _keys.DIRECTION.read(adata, velocity_key, basis, default=None)
        others = tested is not None and max(chosen) >= tested.shape[1]
        determined = None
        if not others and _keys.DETERMINED.is_in(adata, velocity_key, basis):
            determined = _keys.DETERMINED.values(adata, velocity_key, basis)
        return cls(basis, components, points, arrows, determined)

    def field(self, n_grid: int, smoothing: float, min_mass: float) -> Field:
        """Average the arrows around the points of a grid."""
        options = {"n_grid": n_grid, "smoothing": smoothing, "min_mass": min_mass}
        return field_on_grid(self.points, self.arrows, self.determined, **options)

    def draw_cells(
        self,
        ax: Axes | None,
        colors: CellColors,
        *,
        size: float | None,
        alpha: float,
        legend_loc: str | None,
    ) -> Axes:
        """Draw the cells as points, on new axes where none are given, and explain their colours."""
        own = ax is None
        if ax is None:
            ax = new_axes(6, 5)
        if size is None:
            size = float(np.clip(60_000 / len(self.points), 1, 40))
        drawn = colors.scatter(ax, self.points[:, 0], self.points[:, 1], size=size, alpha=alpha)
        colors.explain([ax], drawn, legend_loc, self.points)
        if own:
            make_room(ax.figure)
        return ax

    def explain_arrows(self, ax: Axes) -> None:
        """Say which arrows are faint, where directions were tested."""
        if self.determined is None:
            return
        handles = [Line2D([], [], color=color, lw=1.5) for color in (STRONG, FAINT)]
        labels = ["direction determined", "not determined"]
        # an artist of its own, or it would replace the legend of the colours
        ax.add_artist(
            Legend(ax, handles, labels, loc="lower left", frameon=False, fontsize="x-small")
        )

    def finish(self, ax: Axes, title: str | None, *, show: bool) -> Axes:
        """Name the axes, whose scales mean nothing, and show them if asked."""
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_xlabel(f"{self.basis} {self.components[0] + 1}")
        ax.set_ylabel(f"{self.basis} {self.components[1] + 1}")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(self.basis if title is None else title)
        return finished(ax, show=show)
