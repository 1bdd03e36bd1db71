"""Cells and their arrows on two dimensions of an embedding, for several pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._embeddings import check_arrows, check_finite_embedding, found_basis

from ._axes import map_size, new_axes, show_map, write_title
from ._field import Field, field_on_grid
from ._legend import make_room
from ._style import NOTE_TEXT, STRONG

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ._colors import CellColors

__all__ = ["Plane"]


@dataclass(frozen=True, eq=False)
class Plane:
    """Cells and their arrows on two of the dimensions of an embedding, shape (cells, 2)."""

    basis: str
    components: tuple[int, int]
    points: NDArray[np.float64]
    # NaN for cells without an arrow
    arrows: NDArray[np.float64]
    # whether the direction of a cell is significant; None if directions were not tested
    determined: NDArray[np.bool_] | None
    # confidence level of these tests
    level: float = 0.95

    @classmethod
    def of(cls, adata: AnnData, basis: str, velocity_key: str, components: tuple[int, int]) -> Self:
        """Read embedding, arrows and results of tests; raise an error if no cell has an arrow."""
        check_adata(adata)
        basis = found_basis(adata, basis, velocity_key)
        points = check_finite_embedding(adata, basis)
        arrows = check_arrows(adata, basis, velocity_key)
        chosen = _chosen(components, points, basis)
        points, arrows = points[:, chosen], arrows[:, chosen]
        if not np.isfinite(arrows).all(axis=1).any():
            msg = (
                f"no cell has an arrow on {basis!r}; rerun tl.velocity_graph and see its warnings."
            )
            raise ValueError(msg)
        # of an embedding with many dimensions only the first two were tested; arrows of a programme
        # of genes were not
        tested = _keys.DIRECTION.read(adata, velocity_key, basis, default=None)
        others = tested is not None and max(chosen) >= tested.shape[1]
        others |= _keys.GRAPH_GENES.is_in(adata, velocity_key)
        determined, level = None, 0.95
        if not others and _keys.DETERMINED.is_in(adata, velocity_key, basis):
            determined = _keys.DETERMINED.values(adata, velocity_key, basis)
            made = _keys.PARAMS.read(adata, velocity_key, default={}).get("directions", {})
            level = float(made.get(basis, {}).get("level", level))
        return cls(basis, components, points, arrows, determined, level)

    @classmethod
    def of_cells(
        cls, adata: AnnData, basis: str, velocity_key: str, components: tuple[int, int]
    ) -> Self:
        """Read the embedding alone, for pictures without arrows of cells."""
        check_adata(adata)
        basis = found_basis(adata, basis, velocity_key)
        points = check_finite_embedding(adata, basis)
        points = points[:, _chosen(components, points, basis)]
        return cls(basis, components, points, np.full(points.shape, np.nan), None)

    def field(self, smoothing: float, min_cells: int, coarse_step: float | None = None) -> Field:
        """Average the arrows around the places of a grid."""
        options: dict[str, Any] = {"smoothing": smoothing, "min_cells": min_cells}
        options["coarse_step"] = coarse_step
        return field_on_grid(self.points, self.arrows, self.determined, **options)

    def draw_cells(
        self,
        ax: Axes | None,
        colors: CellColors,
        *,
        size: float | None,
        alpha: float,
        legend_loc: str | None,
        title: str | None,
    ) -> Axes:
        """Draw the cells as areas of points, on new axes if none are given, with a legend."""
        own = ax is None
        if ax is None:
            ax = new_axes(*map_size(self.points))
        show_map(ax, self.points)
        # labels are hidden unless a user turns the axes on
        ax.set_xlabel(f"{self.basis} {self.components[0] + 1}")
        ax.set_ylabel(f"{self.basis} {self.components[1] + 1}")
        if title is not None:
            write_title(ax, title)
        drawn = colors.shade(ax, self.points, size=size, strength=alpha)
        colors.explain([ax], drawn, legend_loc, self.points, strength=alpha)
        if own:
            make_room(ax.figure)
        return ax

    def explain_arrows(self, ax: Axes, pale: str, *, color: str = STRONG) -> None:
        """Add a legend of significance, if directions were tested, in `color` and `pale`."""
        if self.determined is None:
            return
        strong = f"significant direction (p < {1 - self.level:.2g})"
        self.explain_tones(ax, (strong, "not significant"), pale, color=color)

    def explain_tones(
        self, ax: Axes, labels: tuple[str, str], pale: str, *, color: str = STRONG
    ) -> None:
        """Add a legend of lines in `color` and of pale lines, with their labels."""
        handles = [Line2D([], [], color=color, lw=1.5), Line2D([], [], color=pale, lw=0.8)]
        # as a separate artist, because it would replace the legend of colours
        legend = Legend(
            ax, handles, labels, loc=self._empty_corner(), frameon=False, fontsize=NOTE_TEXT
        )
        legend.set_zorder(5)
        ax.add_artist(legend)

    def _empty_corner(self) -> str:
        """Return the corner of the picture with the fewest cells."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        x, y = ((self.points - low) / np.where(high > low, high - low, 1.0)).T
        corners = {
            f"{row} {column}": int((near_row & near_column).sum())
            for row, near_row in (("lower", y < 0.12), ("upper", y > 0.88))
            for column, near_column in (("left", x < 0.35), ("right", x > 0.65))
        }
        return min(corners, key=lambda corner: corners[corner])


def _chosen(components: tuple[int, int], points: NDArray[np.float64], basis: str) -> list[int]:
    """Return the dimensions to draw; refuse those that the embedding does not have."""
    if max(components) >= points.shape[1]:
        msg = (
            f"components={components} must be smaller than {points.shape[1]}, the number of "
            f"dimensions of {basis!r}."
        )
        raise ValueError(msg)
    return list(components)
