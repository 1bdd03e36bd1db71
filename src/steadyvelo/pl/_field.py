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
