"""Means over neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from steadyvelo.model._jit import Array, kernel

# rows whose means are turned together
_TOGETHER = 16


@kernel
def total_rows(values: Array, rows: Array, total: Array) -> None:
    """Write the sum of some rows of `values` to `total`, in float64.

    Eight rows are processed at a time, so that the sum is not stored and loaded again for each.
    """
    width, real = values.shape[1], np.float64
    for g in range(width):
        total[g] = 0.0
    k = 0
    while k + 8 <= rows.shape[0]:
        a, b, c, d = values[rows[k]], values[rows[k + 1]], values[rows[k + 2]], values[rows[k + 3]]
        e, f = values[rows[k + 4]], values[rows[k + 5]]
        h, m = values[rows[k + 6]], values[rows[k + 7]]
        for g in range(width):
            one = (real(a[g]) + real(b[g])) + (real(c[g]) + real(d[g]))
            other = (real(e[g]) + real(f[g])) + (real(h[g]) + real(m[g]))
            total[g] += one + other
        k += 8
    while k < rows.shape[0]:
        a = values[rows[k]]
        for g in range(width):
            total[g] += real(a[g])
        k += 1


@kernel
def smooth_rows(
    indptr: Array, indices: Array, values: Array, out: Array, start: int, stop: int
) -> None:
    """Write the mean of the rows of `values` over each row's neighbours; zero without neighbours.

    Sums are in float64, so that the order of the cells changes no mean.
    """
    width = values.shape[1]
    total = np.empty(width, dtype=np.float64)
    for i in range(start, stop):
        low, high = indptr[i], indptr[i + 1]
        total_rows(values, indices[low:high], total)
        share, row = 1.0 / max(high - low, 1), out[i]
        for g in range(width):
            row[g] = np.float32(share * total[g])


@kernel
def smooth_rows_in_float32(
    indptr: Array, indices: Array, values: Array, out: Array, start: int, stop: int
) -> None:
    """Write the same means as scVelo, to the last bit.

    Sums are in float32 in the order of the neighbours, without fused multiply-adds, as in a product
    of sparse float32 matrices. Eight neighbours are processed at a time, so that the sum is not
    stored and loaded again for each.
    """
    width = values.shape[1]
    for i in range(start, stop):
        low, high = indptr[i], indptr[i + 1]
        share = np.float32(1.0 / max(high - low, 1))
        row = out[i]
        for g in range(width):
            row[g] = np.float32(0.0)
        k = low
        while k + 8 <= high:
            a, b = values[indices[k]], values[indices[k + 1]]
            c, d = values[indices[k + 2]], values[indices[k + 3]]
            e, f = values[indices[k + 4]], values[indices[k + 5]]
            h, m = values[indices[k + 6]], values[indices[k + 7]]
            for g in range(width):
                total = row[g] + share * a[g]
                total += share * b[g]
                total += share * c[g]
                total += share * d[g]
                total += share * e[g]
                total += share * f[g]
                total += share * h[g]
                total += share * m[g]
                row[g] = total
            k += 8
        while k < high:
            a = values[indices[k]]
            for g in range(width):
                row[g] += share * a[g]
            k += 1


@kernel
def _list_chosen(indices: Array, weights: Array, chosen: Array, near: Array, share: Array) -> Any:
    """List the chosen neighbours of a row and their weights; return their number.

    Weights are divided by their sum. All neighbours are copied to the list, which grows by one if a
    neighbour is chosen: that is faster than a branch.
    """
    n, total = np.int64(0), 0.0
    for k in range(indices.shape[0]):
        near[n] = indices[k]
        share[n] = weights[k]
        is_chosen = np.int64(chosen[indices[k]])
        total += is_chosen * share[n]
        n = n + is_chosen
    for k in range(n):
        share[k] = np.float32(share[k] / total) if total > 0 else np.float32(0.0)
    return n


@kernel
def _add_ranked(values: Array, place: int, near: Array, share: Array, n: int, row: Array) -> None:
    """Write the weighted sum of some rows at a place of packed values.

    Four rows are processed at a time, so that the sum is not stored and loaded again for each.
    """
    width = row.shape[0]
    for g in range(width):
        row[g] = np.float32(0.0)
    k = 0
    while k + 4 <= n:
        a, b = values[near[k], place], values[near[k + 1], place]
        c, d = values[near[k + 2], place], values[near[k + 3], place]
        p, q, r, t = share[k], share[k + 1], share[k + 2], share[k + 3]
        for g in range(width):
            row[g] += (p * a[g] + q * b[g]) + (r * c[g] + t * d[g])
        k += 4
    while k < n:
        a, p = values[near[k], place], share[k]
        for g in range(width):
            row[g] += p * a[g]
        k += 1


@kernel
def smooth_ranked_rows(
    indptr: Array,
    indices: Array,
    weights: Array,
    chosen: Array,
    values: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write the weighted means of values over each row's chosen neighbours.

    `weights` are by rank; the mean is zero without chosen neighbours. Values and means have the
    shape (rows, places, genes): what is read of a neighbour lies together.
    """
    near = np.empty(weights.shape[0] + 1, dtype=np.int64)
    share = np.empty(weights.shape[0] + 1, dtype=np.float32)
    for i in range(start, stop):
        n = _list_chosen(indices[indptr[i] : indptr[i + 1]], weights, chosen, near, share)
        for place in range(values.shape[1]):
            _add_ranked(values, place, near, share, n, out[i, place])


@kernel
def smooth_ranked_genes(
    indptr: Array,
    indices: Array,
    weights: Array,
    chosen: Array,
    values: Array,
    first: Array,
    by_gene: Array,
    start: int,
    stop: int,
) -> None:
    """Write these means to `by_gene`, (places, genes, rows), and the first ones to `first`."""
    n_places, width = values.shape[1], values.shape[2]
    near = np.empty(weights.shape[0] + 1, dtype=np.int64)
    share = np.empty(weights.shape[0] + 1, dtype=np.float32)
    together = np.empty((n_places, _TOGETHER, width), dtype=np.float32)
    for begin in range(start, stop, _TOGETHER):
        end = min(begin + _TOGETHER, stop)
        for i in range(begin, end):
            n = _list_chosen(indices[indptr[i] : indptr[i + 1]], weights, chosen, near, share)
            for place in range(n_places):
                _add_ranked(values, place, near, share, n, together[place, i - begin])
            first[i] = together[0, i - begin]
        # some rows at a time, so that whole lines of memory are written
        for place in range(n_places):
            turned = together[place]
            for g in range(width):
                target = by_gene[place, g]
                for i in range(begin, end):
                    target[i] = turned[i - begin, g]
