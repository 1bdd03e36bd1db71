"""Deviations from the fitted lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from steadyvelo.model._jit import kernel

Array = np.ndarray[Any, Any]


@kernel
def residual_rows(
    spliced: Array,
    unspliced: Array,
    gamma: Array,
    offset: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write u − γs − o, float32; `out` may be one of the two."""
    for i in range(start, stop):
        for g in range(gamma.shape[0]):
            out[i, g] = unspliced[i, g] - gamma[g] * spliced[i, g] - offset[g]
