r"""Tests of the steady-state model for each gene, from its extreme cells.

The fit assumes that the extreme cells are at steady state and lie on a straight line. If this is
wrong, the ratio depends on the number of cells that are called extreme, or differs between the more
and the less extreme of them, or is determined by one cluster alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._kernels._statistics import dispersion_sums
from ._kernels._weights import mark_upper_end, split_at_median, sums_of_extremes
from ._weights import FLOOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._typing import BoolArray, Float64Array, GeneRows

__all__ = ["gamma_path", "halves", "overdispersion", "upper_end"]


def upper_end(spliced: GeneRows, weights: NDArray[Any]) -> BoolArray:
    """Return the cells of the fit above the middle of their range, shape (genes, cells)."""
    out = np.empty(spliced.shape, dtype=np.bool_)
    mark_upper_end(spliced, np.broadcast_to(weights, spliced.shape), out)
    return out


def halves(spliced: GeneRows, cells: BoolArray) -> dict[str, BoolArray]:
    """Split some cells of every gene at their median spliced abundance, shape (genes, cells)."""
    lower, upper = np.empty((2, *spliced.shape), dtype=np.bool_)
    split_at_median(spliced, cells, lower, upper)
    return {"upper": upper, "lower": lower}


def gamma_path(
    spliced: GeneRows, unspliced: GeneRows, shares: Float64Array, *, offset: bool, both_ends: bool
) -> Float64Array:
    r"""Return the ratios of fits to the most extreme cells, for several shares of the cells.

    Extreme are the cells with the largest :math:`z = s / \max s + u / \max u`.

    Parameters
    ----------
    spliced, unspliced
        Smoothed abundances, shape (genes, cells).
    shares
        Shares of the cells that are taken at an end, ascending, in (0, 1].
    offset
        Whether lines have an offset.
    both_ends
        Whether the same number of cells with the lowest z is taken, too.

    Returns
    -------
    Ratios, shape (genes, shares); NaN where a fit is not possible.

    Examples
    --------
    >>> s = np.array([[1.0, 2.0, 3.0, 4.0]])
    >>> gamma_path(s, 0.5 * s, np.array([0.25, 1.0]), offset=False, both_ends=False).tolist()
    [[0.5, 0.5]]
    """
    n = spliced.shape[1]
    numbers = np.clip(np.ceil(shares * n).astype(np.int64), 1, n)
    rows = np.ascontiguousarray(spliced), np.ascontiguousarray(unspliced)
    if both_ends:
        # an end has at most half of the cells
        numbers = np.clip(numbers, 1, max(n // 2, 1))
    sums = np.empty((1 + both_ends, len(spliced), len(shares), 5))
    for end, found in enumerate(sums):
        sums_of_extremes(*rows, numbers, FLOOR, end, found)
    count, s1, u1, ss, su = np.moveaxis(sums.sum(axis=0), 2, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        if offset:
            ss, su = ss - s1 * s1 / count, su - s1 * u1 / count
            ss = np.where(ss > 1e-9 * s1 * s1 / count, ss, np.nan)
        return np.asarray(np.where(ss > 0, su / ss, np.nan))


def overdispersion(
    counts: GeneRows, means: GeneRows, scale: Float64Array, n_neighbors: Float64Array
) -> Float64Array:
    r"""Return the overdispersion φ of counts, whose variance is :math:`\mu + \varphi \mu^2`.

    μ is estimated by a, the mean of the cell's neighbours without the cell itself, and φ by
    moments:

    .. math::
        \varphi = \frac{\sum_c [(\tilde s_c - a_c)^2 - d_c a_c (1 + 1/k_c)]}
                       {\sum_c \tilde s_c a_c (1 + 1/k_c)}

    The result has shape (genes,). `counts` are divided by size factors and have the shape (genes,
    cells); `scale` is d, and `n_neighbors` is k. Differences of state between neighbours increase
    φ. φ is 0 for Poisson counts, and NaN if the denominator is below one squared molecule. Cells
    without neighbours are left out.
    """
    left, square = np.empty((2, len(counts)))
    rows = np.ascontiguousarray(counts), np.ascontiguousarray(means)
    dispersion_sums(*rows, scale, n_neighbors, left, square)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(square > 1.0, left / square, np.nan))
