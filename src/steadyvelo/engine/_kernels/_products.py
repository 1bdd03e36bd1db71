"""Products of a sparse matrix and of its transpose with a vector, summed in float64.

Slices and unsigned indices tell the compiler that no index is negative, so that it can load several
values at a time.
"""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel, reordering_kernel


@reordering_kernel
def multiply_rows(
    indptr: Array, indices: Array, data: Array, vector: Array, out: Array, start: int, stop: int
) -> None:
    """Write Σ_j a_ij v_j to `out` for the rows i from `start` to `stop`."""
    for i in range(start, stop):
        columns = indices[indptr[i] : indptr[i + 1]]
        values = data[indptr[i] : indptr[i + 1]]
        total = 0.0
        for k in range(columns.size):
            total += np.float64(values[k]) * vector[np.uint32(columns[k])]
        out[i] = total


@kernel
def multiply_transposed(
    indptr: Array, indices: Array, data: Array, vector: Array, out: Array, start: int, stop: int
) -> None:
    """Add Σ_i a_ij v_i over the rows i from `start` to `stop` to every `out[j]`."""
    for i in range(start, stop):
        columns = indices[indptr[i] : indptr[i + 1]]
        values = data[indptr[i] : indptr[i + 1]]
        for k in range(columns.size):
            out[np.uint32(columns[k])] += np.float64(values[k]) * vector[i]


@kernel
def multiply_both(
    indptr: Array,
    indices: Array,
    data: Array,
    vector: Array,
    out: Array,
    transposed: Array,
    start: int,
    stop: int,
) -> None:
    """Do both row by row, so that entries are read from memory once."""
    for i in range(start, stop):
        multiply_rows(indptr, indices, data, vector, out, i, i + 1)
        multiply_transposed(indptr, indices, data, vector, transposed, i, i + 1)
