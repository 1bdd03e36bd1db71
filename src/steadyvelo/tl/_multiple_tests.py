"""P-values adjusted for multiple tests; NaN marks what was not tested and stays NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["benjamini_hochberg", "holm"]


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values adjusted for the false discovery rate."""
    # scipy's function would be the only use of scipy.stats, which takes half a second to import
    adjusted = np.full(len(p), np.nan)
    # the largest first
    order = np.argsort(p)[: np.isfinite(p).sum()][::-1]
    rank = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.minimum.accumulate(p[order] * len(order) / rank), 1.0)
    return adjusted


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values adjusted for the family-wise error."""
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    left = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * left), 1.0)
    return adjusted
