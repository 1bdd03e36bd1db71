"""The velocity field on a grid, from the arrows of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Field", "field_on_grid"]


@dataclass(frozen=True, eq=False)
class Field:
    """Mean arrows on a regular grid.

    Attributes
    ----------
    x, y
        Coordinates of the grid, float64, shape (columns,) and (rows,).
    u, v
        Components, float64, shape (rows, columns); masked where there are too few cells.
    determined
        Share of the cells around each point whose direction is determined, shape (rows, columns);
        1 where nobody has tested them.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    u: np.ma.MaskedArray
    v: np.ma.MaskedArray
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

    which costs the same for any number of cells. Cells without an arrow do not count.

    Parameters
    ----------
    points, arrows
        Positions and arrows, shape (cells, 2).
    determined
        Whether each cell's direction is; None means that all are.
    n_grid
        Points of the grid along each axis.
    smoothing
        Standard deviation of the kernel, in steps of the grid.
    min_mass
        Where the density of cells is below this share of its 99th percentile, the field is
        masked.

    Returns
    -------
    The field.
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
    if determined is None:
        share = np.ones_like(mass)
    else:
        share = smoothed(determined[some].astype(np.float64)) / divisor
    return Field(x, y, u, v, share)
