"""Groups of neighbouring cells, and sums of a sparse matrix between groups."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def group_neighborhoods(indptr: Array, indices: Array, order: Array, group_of: Array) -> int:
    """Divide cells into groups of neighbours; write each cell's group and return their number.

    In the `order` given, a cell whose neighbours have no group yet makes one of them. The others
    join a group of a neighbour, the first one in the order, or make another one.
    """
    n_cells = order.shape[0]
    place = np.empty(n_cells, dtype=np.int64)
    for t in range(n_cells):
        place[order[t]] = t
    group_of[:] = -1
    n_groups = 0
    for t in range(n_cells):
        i = order[t]
        free = group_of[i] < 0
        for k in range(indptr[i], indptr[i + 1]):
            free = free and group_of[indices[k]] < 0
        if free:
            group_of[i] = n_groups
            group_of[indices[indptr[i] : indptr[i + 1]]] = n_groups
            n_groups += 1
    whole = group_of.copy()
    for i in range(n_cells):
        if whole[i] < 0:
            first = n_cells
            for k in range(indptr[i], indptr[i + 1]):
                j = indices[k]
                if whole[j] >= 0 and place[j] < first:
                    first = place[j]
                    group_of[i] = whole[j]
    for t in range(n_cells):
        i = order[t]
        if group_of[i] < 0:
            group_of[i] = n_groups
            for k in range(indptr[i], indptr[i + 1]):
                if group_of[indices[k]] < 0:
                    group_of[indices[k]] = n_groups
            n_groups += 1
    return n_groups


@kernel
def pair_groups(indptr: Array, indices: Array, data: Array, pair_of: Array) -> int:
    """Join each group with the one, of those left, to which most leads; return their number."""
    pair_of[:] = -1
    n_pairs = 0
    for i in range(pair_of.shape[0]):
        if pair_of[i] >= 0:
            continue
        pair_of[i] = n_pairs
        other, most = -1, 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            if pair_of[j] < 0 and data[k] > most:
                other, most = j, data[k]
        if other >= 0:
            pair_of[other] = n_pairs
        n_pairs += 1
    return n_pairs


@kernel
def add_between(
    matrix: tuple[Array, Array, Array],
    group_of: Array,
    members: tuple[Array, Array],
    rows: Array,
    columns: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Add r_i a_ij c_j to `out[group of i, group of j]`, for the groups from `start` to `stop`.

    `matrix` is CSR (indptr, indices, data). `members` are the cells sorted by group, and where each
    group starts.
    """
    indptr, indices, data = matrix
    cells, starts = members
    for group in range(start, stop):
        own = out[group]
        for m in range(starts[group], starts[group + 1]):
            i = cells[m]
            for k in range(indptr[i], indptr[i + 1]):
                j = np.uint32(indices[k])
                own[np.uint32(group_of[j])] += rows[i] * np.float64(data[k]) * columns[j]
