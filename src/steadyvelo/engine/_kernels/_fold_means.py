"""Means over the neighbours in each fold of cells, and the packed rows that they are part of.

Neighbours are listed by rank, so that sums over them do not depend on the order of the cells.
"""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel

# places in a packed row: means over the neighbours in each fold of cells; the deviation r; the
# spliced counts, from which the mean in the own fold is subtracted later; r minus its mean in the
# own fold. The last may be absent
MEANS, DEVIATION, COUNTS, AWAY, PLACES = 0, 2, 3, 4, 5


@kernel
def fold_means(
    indptr: Array,
    indices: Array,
    fold: Array,
    values: Array,
    place: int,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write the means of a place of `values` over each row's neighbours in either fold of cells.

    `fold` is 0 or 1 for each row, and the means are written to the first two places of `out`; both
    arrays have the shape (rows, places, genes). A mean is zero without neighbours. Four neighbours
    are processed at a time, so that the sum is not stored and loaded again for each.
    """
    most, width = 0, values.shape[2]
    for i in range(start, stop):
        most = max(most, indptr[i + 1] - indptr[i])
    near = np.empty((2, most), dtype=np.int64)
    numbers = np.empty(2, dtype=np.int64)
    for i in range(start, stop):
        numbers[:] = 0
        for e in range(indptr[i], indptr[i + 1]):
            c = indices[e]
            near[fold[c], numbers[fold[c]]] = c
            numbers[fold[c]] += 1
        for f in range(2):
            row = out[i, f]
            n, listed = numbers[f], near[f]
            share = np.float32(1.0 / max(n, 1))
            for g in range(width):
                row[g] = np.float32(0.0)
            k = 0
            while k + 4 <= n:
                a, b = values[listed[k], place], values[listed[k + 1], place]
                c, d = values[listed[k + 2], place], values[listed[k + 3], place]
                for g in range(width):
                    row[g] += (a[g] + b[g]) + (c[g] + d[g])
                k += 4
            while k < n:
                a = values[listed[k], place]
                for g in range(width):
                    row[g] += a[g]
                k += 1
            for g in range(width):
                row[g] *= share


@kernel
def subtract_own_means(
    indptr: Array, indices: Array, fold: Array, packed: Array, start: int, stop: int
) -> None:
    """Subtract the mean of the own fold from the counts, and write r minus its mean."""
    width = packed.shape[2]
    for i in range(start, stop):
        counts, mean = packed[i, COUNTS], packed[i, MEANS + fold[i]]
        for g in range(width):
            counts[g] -= mean[g]
        away, n = packed[i, AWAY], 0
        for g in range(width):
            away[g] = np.float32(0.0)
        for e in range(indptr[i], indptr[i + 1]):
            if fold[indices[e]] == fold[i]:
                n += 1
                other = packed[indices[e], DEVIATION]
                for g in range(width):
                    away[g] += other[g]
        own, share = packed[i, DEVIATION], np.float32(1.0 / max(n, 1))
        for g in range(width):
            away[g] = own[g] - share * away[g]
