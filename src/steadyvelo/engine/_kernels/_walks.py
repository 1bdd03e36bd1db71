"""Weights of steps along and against edges."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def add_largest(indices: Array, data: Array, top: Array) -> None:
    """Raise `top` to the largest entry of each column."""
    for k in range(indices.shape[0]):
        j = np.uint32(indices[k])
        top[j] = max(top[j], data[k])


@kernel
def write_weights(
    indptr: Array,
    indices: Array,
    data: Array,
    scale: float,
    top: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write exp(λ (c_ij − top_j)) of the entries of some rows."""
    for k in range(indptr[start], indptr[stop]):
        below = np.float64(data[k]) - np.float64(top[np.uint32(indices[k])])
        out[k] = np.float32(np.exp(scale * below))
