"""Mean arrows on a regular grid, masked where no cells are near."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import convolve, distance_transform_edt, gaussian_filter, map_coordinates
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Field", "field_on_grid", "thinned"]

# smallest and largest width of the kernel, as share of the larger side
_NARROWEST, _WIDEST = 0.002, 0.2
# number of steps of the grid in one width of the kernel
_STEPS_PER_WIDTH = 6
# largest distance of a place from a cell, and width of the edge that is removed again, both in
# widths of the kernel
_REACH, _EDGE = 1.2, 0.6
# largest distance of the other cells that a cell needs near it, in widths of the kernel
_COMPANY = 2.0
# number of cells from which the distance between neighbours is estimated
_SAMPLE = 5_000


@dataclass(frozen=True, eq=False)
class Field:
    """Mean arrows on a square grid, shape (rows, columns), masked where no cells are near."""

    # coordinates of columns and of rows, with equal steps
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    u: np.ma.MaskedArray
    v: np.ma.MaskedArray
    # share of the cells around each place whose direction is significant; 1 if directions were not
    # tested
    determined: NDArray[np.float64]
    # larger side of the rectangle around the cells
    side: float

    @property
    def length(self) -> np.ma.MaskedArray:
        """Length of each arrow, shape (rows, columns)."""
        return np.ma.sqrt(self.u**2 + self.v**2)

    @property
    def step(self) -> float:
        """Distance between neighbouring places of the grid."""
        return float(self.x[1] - self.x[0])

    def at(self, values: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate values of the grid at places, shape (places, 2)."""
        corner = np.array([self.x[0], self.y[0]])
        rows_columns = ((places - corner) / self.step).T[::-1]
        return np.asarray(map_coordinates(values, rows_columns, order=1, mode="nearest"))

    def every(self, n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return rows and columns of places with an arrow: the middle of each n × n places.

        In branches that do not contain such a middle, other places are chosen, with nearly the same
        distances.
        """
        there = ~np.ma.getmaskarray(self.u) & (self.length.filled(0.0) > 0)
        middles = np.zeros_like(there)
        middles[n // 2 :: n, n // 2 :: n] = True
        kept = np.argwhere(there & middles)
        left = np.argwhere(there)
        if len(kept):
            left = left[KDTree(kept).query(left)[0] > n]
        # places near a middle come first
        off = np.abs(left % n - n // 2).sum(axis=1)
        left = left[np.argsort(off, kind="stable")]
        apart = thinned(left, 0.9 * n)
        return tuple(np.concatenate([kept, left[apart]]).astype(np.intp).T)


def thinned(points: NDArray[Any], distance: float) -> NDArray[np.intp]:
    """Return the points that remain if each point removes later points nearer than `distance`."""
    free = np.ones(len(points), dtype=bool)
    if len(points) == 0 or distance <= 0:
        return np.flatnonzero(free)
    pairs = KDTree(points, balanced_tree=False).query_pairs(distance, output_type="ndarray")
    earlier, later = pairs[np.argsort(pairs[:, 0], kind="stable")].T
    ends = np.searchsorted(earlier, np.arange(len(points) + 1))
    for place, (start, end) in enumerate(pairwise(ends.tolist())):
        if free[place]:
            free[later[start:end]] = False
    return np.flatnonzero(free)


def field_on_grid(
    points: NDArray[np.float64],
    arrows: NDArray[np.float64],
    determined: NDArray[np.bool_] | None = None,
    *,
    smoothing: float = 0.02,
    min_cells: int = 3,
    coarse_step: float | None = None,
) -> Field:
    r"""Average the arrows of cells around each place of a square grid.

    A Gaussian kernel average (Nadaraya and Watson) on binned cells,

    .. math:: a(g) = \sum_i K(g - e_i) a_i / \textstyle\sum_i K(g - e_i)

    whose time does not depend on the number of cells. Cells without an arrow are left out.
    `smoothing` is the standard deviation of the kernel, as share of the larger side of the
    rectangle around the cells. If there are few cells, it is at least the usual distance between
    neighbours. A place is masked unless there is a cell within 1.2 widths of the kernel that has at
    least `min_cells` cells, including itself, within two widths. The grid has six steps in a width;
    with `coarse_step` (share of the side), a whole number of steps of the grid is one coarse step.
    """
    if not _NARROWEST <= smoothing <= _WIDEST:
        msg = (
            f"smoothing={smoothing} must be between {_NARROWEST} and {_WIDEST}; it is the width of "
            "the kernel as share of the larger side of the picture."
        )
        raise ValueError(msg)
    some = np.isfinite(arrows).all(axis=1)
    points, arrows = points[some].astype(np.float64), arrows[some].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    side = float((high - low).max()) or 1.0
    width = max(smoothing * side, _usual_distance(points, min_cells))
    step = width / _STEPS_PER_WIDTH
    if coarse_step is not None:
        step = coarse_step * side / np.ceil(coarse_step * side / step)
    # a margin on both sides of the rectangle for places near its outermost cells
    n_beyond = int(np.ceil(width / step)) + 1
    n_x, n_y = (np.ceil((high - low) / step).astype(int) + 2 * n_beyond + 1).tolist()
    corner = 0.5 * (low + high) - 0.5 * step * np.array([n_x - 1, n_y - 1])
    columns, rows = np.rint((points - corner) / step).astype(np.intp).T
    bins = rows * n_x + columns

    def binned(weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        return np.bincount(bins, weights, minlength=n_x * n_y).reshape(n_y, n_x).astype(np.float64)

    def smoothed(weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(binned(weights), width / step, mode="constant"))

    empty = ~_supported(binned(None), width / step, min_cells)
    divisor = smoothed(None)
    divisor[empty] = 1.0
    u, v = (np.ma.array(smoothed(arrows[:, d]) / divisor, mask=empty) for d in (0, 1))
    share = np.ones_like(divisor)
    if determined is not None:
        share = np.where(empty, 0.0, smoothed(determined[some].astype(np.float64)) / divisor)
    x, y = (c + step * np.arange(n) for c, n in zip(corner, (n_x, n_y), strict=True))
    return Field(x, y, u, v, share, side)


def _usual_distance(points: NDArray[np.float64], min_cells: int) -> float:
    """Return the distance within which most cells have `min_cells` neighbours."""
    sample = points[:: -(-len(points) // _SAMPLE)]
    if len(sample) <= min_cells:
        return 0.0
    distances = KDTree(sample, balanced_tree=False).query(sample, k=[min_cells + 1])[0]
    # distances are larger in a sample, by the root of its share of the cells
    return float(np.quantile(distances, 0.9) * np.sqrt(len(sample) / len(points)))


def _supported(counts: NDArray[np.float64], width: float, min_cells: int) -> NDArray[np.bool_]:
    """Return the places near cells that have others nearby; `width` is in steps.

    The places are the union of discs around these cells, without its edge. This closes holes
    between cells, while the outline stays near the cells.
    """
    radius = int(_COMPANY * width)
    away = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1])
    around = convolve(counts, (away <= _COMPANY * width).astype(np.float64), mode="constant")
    counting = (counts > 0) & (around >= min_cells - 0.5)
    if not counting.any():
        # if no cell has others nearby, all cells count
        counting = counts > 0
    # the distance of a cell or line from its place on the grid is up to half a diagonal of a step
    near = distance_transform_edt(~counting) <= _REACH * width - np.sqrt(2)
    return np.asarray(distance_transform_edt(near) > _EDGE * width)
