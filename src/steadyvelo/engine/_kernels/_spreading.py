"""Sums over cells into whose smoothed values a cell's counts enter."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel

from ._smoothing import total_rows


@kernel
def weigh_rows(
    values: Array, weights: Array, share: Array, out: Array, out0: Array, start: int, stop: int
) -> None:
    """Write share·m·y and share·m of some rows to two blocks, with y in `values`, m in `weights`.

    The second block is not written if it has no columns.
    """
    second = out0.shape[1] > 0
    for r in range(start, stop):
        y, w, row = values[r], weights[r], out[r]
        for g in range(row.shape[0]):
            row[g] = np.float32(share[r] * w[g] * y[g])
        if second:
            row0 = out0[r]
            for g in range(row0.shape[0]):
                row0[g] = np.float32(share[r] * w[g])


@kernel
def sum_rows(
    indptr: Array, indices: Array, values: Array, out: Array, start: int, stop: int
) -> None:
    """Write to each row the sum of the rows of `values` that a pattern lists for it.

    Sums are in float64, because an offset is the difference of nearly equal sums.
    """
    width = values.shape[1]
    total = np.empty(width, dtype=np.float64)
    for r in range(start, stop):
        total_rows(values, indices[indptr[r] : indptr[r + 1]], total)
        row = out[r]
        for g in range(width):
            row[g] = np.float32(total[g])


@kernel
def sum_ranked_rows(
    indptr: Array,
    indices: Array,
    ranks: Array,
    weights: Array,
    values: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write to each row the weighted sum of the rows of `values` that a pattern lists for it.

    Weights are by the rank of an entry. Sums are in float64; four rows are processed at a time.
    """
    width = values.shape[1]
    total = np.empty(width, dtype=np.float64)
    real = np.float64
    for r in range(start, stop):
        low, high = indptr[r], indptr[r + 1]
        for g in range(width):
            total[g] = 0.0
        k = low
        while k + 4 <= high:
            a, b = values[indices[k]], values[indices[k + 1]]
            c, d = values[indices[k + 2]], values[indices[k + 3]]
            p, q = real(weights[ranks[k]]), real(weights[ranks[k + 1]])
            t, v = real(weights[ranks[k + 2]]), real(weights[ranks[k + 3]])
            for g in range(width):
                total[g] += (p * a[g] + q * b[g]) + (t * c[g] + v * d[g])
            k += 4
        while k < high:
            a, p = values[indices[k]], real(weights[ranks[k]])
            for g in range(width):
                total[g] += p * a[g]
            k += 1
        row = out[r]
        for g in range(width):
            row[g] = np.float32(total[g])


@kernel
def add_columns(values: Array, columns: Array, out: Array, start: int, stop: int) -> None:
    """Add some rows of `values` to columns of the same rows of `out`."""
    for r in range(start, stop):
        row, target = values[r], out[r]
        for g in range(row.shape[0]):
            target[columns[g]] += row[g]


@kernel
def scale_by(values: Array, factor: float, start: int, stop: int) -> None:
    """Multiply some rows by a factor."""
    for r in range(start, stop):
        row = values[r]
        for g in range(row.shape[0]):
            row[g] *= factor
