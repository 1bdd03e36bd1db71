"""Deviations of counts from the line of each row's category."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def residual_rows(
    spliced: Array,
    unspliced: Array,
    gamma: Array,
    offset: Array,
    categories: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write u − γs − o, computed in float64; `out` may be one of the inputs.

    γ and o have the shape (categories, genes); `categories` is the number of each row's category.
    """
    for i in range(start, stop):
        slope, shift = gamma[np.uint64(categories[i])], offset[np.uint64(categories[i])]
        for g in range(slope.shape[0]):
            out[i, g] = unspliced[i, g] - slope[g] * spliced[i, g] - shift[g]
