r"""Does the model hold for a gene? What its extreme cells say.

The fit takes the extreme cells to be at steady state and the line through them to be straight.
Where that is wrong the ratio depends on how many cells are called extreme, differs between the more
and the less extreme of them, or belongs to one cluster alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._weights import extremeness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._typing import BoolArray, Float64Array, GeneRows

__all__ = ["gamma_path", "halves", "overdispersion", "upper_end"]


def upper_end(spliced: GeneRows, weights: NDArray[Any]) -> BoolArray:
    """Return the cells of the fit that lie above the middle of its range, shape (genes, cells)."""
    inside = np.broadcast_to(weights > 0, spliced.shape)
    low = np.where(inside, spliced, np.inf).min(axis=1, keepdims=True)
    high = np.where(inside, spliced, -np.inf).max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(inside & (spliced >= (low + high) / 2))


def halves(spliced: GeneRows, cells: BoolArray) -> dict[str, BoolArray]:
    """Cut some cells of every gene at their median spliced abundance, shape (genes, cells)."""
    inside = np.where(cells, spliced, np.nan)
    middle = np.full((len(spliced), 1), np.nan)
    some = cells.any(axis=1)
    middle[some, 0] = np.nanmedian(inside[some], axis=1)
    return {"upper": cells & (spliced > middle), "lower": cells & (spliced <= middle)}


def gamma_path(
    spliced: GeneRows, unspliced: GeneRows, shares: Float64Array, *, offset: bool, both_ends: bool
) -> Float64Array:
    r"""Return the ratio over the most extreme cells, for some shares of the cells.

    Cells are ordered by :math:`z = s / \max s + u / \max u`; sums over the first of them give the
    ratio for every share at once, O(n log n) a gene.

    Parameters
    ----------
    spliced, unspliced
        Smoothed abundances, shape (genes, cells).
    shares
        Shares of the cells at an end, ascending, in (0, 1].
    offset
        Whether the line has one.
    both_ends
        Whether as many cells with the lowest z are taken.

    Returns
    -------
    Shape (genes, shares); NaN where there is no ratio.

    Examples
    --------
    >>> s = np.array([[1.0, 2.0, 3.0, 4.0]])
    >>> gamma_path(s, 0.5 * s, np.array([0.25, 1.0]), offset=False, both_ends=False).tolist()
    [[0.5, 0.5]]
    """
    n = spliced.shape[1]
    order = np.argsort(-extremeness(spliced, unspliced), axis=1, kind="stable")
    s, u = (np.take_along_axis(x, order, axis=1).astype(np.float64) for x in (spliced, unspliced))
    terms = np.stack([np.ones_like(s), s, u, s * s, s * u])
    sums = np.cumsum(terms, axis=2)
    last = np.clip(np.ceil(shares * n).astype(np.intp), 1, n) - 1
    count, s1, u1, ss, su = sums[:, :, last]
    if both_ends:
        total = sums[:, :, -1:]
        # an end holds at most half of the cells
        low = np.clip(last + 1, 1, n // 2)
        top = sums[:, :, low - 1]
        count, s1, u1, ss, su = top + total - sums[:, :, n - 1 - low]
    with np.errstate(invalid="ignore", divide="ignore"):
        if offset:
            ss, su = ss - s1 * s1 / count, su - s1 * u1 / count
            ss = np.where(ss > 1e-9 * s1 * s1 / count, ss, np.nan)
        return np.asarray(np.where(ss > 0, su / ss, np.nan))


def overdispersion(
    counts: GeneRows, means: GeneRows, scale: Float64Array, n_neighbors: Float64Array
) -> Float64Array:
    r"""Return φ of counts with variance :math:`\mu + \varphi \mu^2` around what neighbours have.

    With a the mean of the neighbours without the cell itself, the moment estimate

    .. math::
        \varphi = \frac{\sum_c [(\tilde s_c - a_c)^2 - d_c a_c (1 + 1/k_c)]}
                       {\sum_c \tilde s_c a_c (1 + 1/k_c)}

    shape (genes,), of `counts` divided by size factors, shape (genes, cells); `scale` is d, and
    `n_neighbors` is k. Differences of state between neighbours count as dispersion. 0 for Poisson
    counts, NaN where the denominator is under one squared molecule.
    """
    x, a = (np.asarray(y, dtype=np.float64) for y in (counts, means))
    some = n_neighbors > 0
    factor = np.where(some, 1 + 1 / np.maximum(n_neighbors, 1), 0.0)
    left = ((x - a) ** 2 * some - scale * a * factor).sum(axis=1)
    square = (x * a * factor).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(square > 1.0, left / square, np.nan))
