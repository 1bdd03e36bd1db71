"""The upper end of the fit of a gene, and the overdispersion of its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._kernels._statistics import dispersion_sums
from ._kernels._weights import mark_upper_end

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._typing import BoolArray, Float64Array, GeneRows

__all__ = ["overdispersion", "upper_end"]


def upper_end(spliced: GeneRows, weights: NDArray[Any]) -> BoolArray:
    """Return the cells of the fit above the middle of their range, shape (genes, cells)."""
    out = np.empty(spliced.shape, dtype=np.bool_)
    mark_upper_end(spliced, np.broadcast_to(weights, spliced.shape), out)
    return out


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
