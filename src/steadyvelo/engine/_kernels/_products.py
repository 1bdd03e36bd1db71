"""Products of a sparse matrix and of its transpose with a vector, summed in float64.

Slices and unsigned indices tell the compiler that no index is negative, so that it can load several
values at a time. If `absolute` is 1 instead of 0, products are with the absolute values |a_ij|.
"""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel, reordering_kernel


@reordering_kernel
def _value(value: float, absolute: int) -> float:
    return abs(np.float64(value)) if absolute else np.float64(value)


@reordering_kernel
def multiply_rows(
    indptr: Array,
    indices: Array,
    data: Array,
    absolute: int,
    vector: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Add Σ_j a_ij v_j to `out` for the rows i from `start` to `stop`."""
    for i in range(start, stop):
        columns = indices[indptr[i] : indptr[i + 1]]
        values = data[indptr[i] : indptr[i + 1]]
        total = 0.0
        for k in range(columns.size):
            total += _value(values[k], absolute) * vector[np.uint32(columns[k])]
        out[i] += total


@reordering_kernel
def multiply_rows_by_eight(
    indptr: Array,
    indices: Array,
    data: Array,
    absolute: int,
    vectors: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Add Σ_j a_ij v_jk to `out` for eight vectors k, in the columns of `vectors`.

    If `out` has fewer columns, it gets the sums of the first vectors. Four entries of a row are
    processed at a time: sums of one at a time wait for each other.
    """
    total = np.empty(8)
    for i in range(start, stop):
        columns = indices[indptr[i] : indptr[i + 1]]
        values = data[indptr[i] : indptr[i + 1]]
        total[:] = 0.0
        together = columns.size // 4 * 4
        for k in range(0, together, 4):
            a, b = np.uint32(columns[k]), np.uint32(columns[k + 1])
            c, d = np.uint32(columns[k + 2]), np.uint32(columns[k + 3])
            of_a, of_b = _value(values[k], absolute), _value(values[k + 1], absolute)
            of_c, of_d = _value(values[k + 2], absolute), _value(values[k + 3], absolute)
            for q in range(8):
                total[q] += (
                    of_a * vectors[a, q]
                    + of_b * vectors[b, q]
                    + of_c * vectors[c, q]
                    + of_d * vectors[d, q]
                )
        for k in range(together, columns.size):
            j, value = np.uint32(columns[k]), _value(values[k], absolute)
            for q in range(8):
                total[q] += value * vectors[j, q]
        for q in range(out.shape[1]):
            out[i, q] += total[q]


@kernel
def multiply_transposed(
    indptr: Array,
    indices: Array,
    data: Array,
    absolute: int,
    vector: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Add Σ_i a_ij v_i over the rows i from `start` to `stop` to every `out[j]`."""
    for i in range(start, stop):
        columns = indices[indptr[i] : indptr[i + 1]]
        values = data[indptr[i] : indptr[i + 1]]
        for k in range(columns.size):
            out[np.uint32(columns[k])] += _value(values[k], absolute) * vector[i]


@kernel
def add_shared(
    x: tuple[Array, Array, Array],
    y: tuple[Array, Array, Array],
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Add x_ij + y_ij to every `out[j]` for the rows i in which both are stored and not 0.

    x and y are CSR arrays (indptr, indices, data) without repeated entries.
    """
    indptr, indices, data = x
    other_indptr, other_indices, other_data = y
    held = np.zeros(out.shape[0])
    for i in range(start, stop):
        low, high = other_indptr[i], other_indptr[i + 1]
        for k in range(low, high):
            held[np.uint32(other_indices[k])] = other_data[k]
        for k in range(indptr[i], indptr[i + 1]):
            j = np.uint32(indices[k])
            if held[j] != 0.0 and data[k] != 0:
                out[j] += np.float64(data[k]) + held[j]
        for k in range(low, high):
            held[np.uint32(other_indices[k])] = 0.0
