"""Neighbours of neighbours, and splitting of edges by sign."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def count_kept(indptr: Array, keep: Array, starts: Array) -> None:
    """Write the first entry of each row, and the end, once entries that are not kept are gone."""
    starts[0] = 0
    for i in range(indptr.shape[0] - 1):
        starts[i + 1] = starts[i]
        for k in range(indptr[i], indptr[i + 1]):
            starts[i + 1] += keep[k]


@kernel
def sort_keys(keys: Array, spare: Array, lowest: int, bound: int, digits: Array) -> None:
    """Sort integers below `bound` by their bits from `lowest` on.

    Radix sort with eight bits at a time, which compiles much faster than numpy's sort. `spare` is
    scratch at least as long as `keys`; `digits` has 257 entries.
    """
    shift = lowest
    while bound > 1 << (shift - lowest):
        digits[:] = 0
        for key in keys:
            digits[((key >> shift) & 255) + 1] += 1
        for d in range(256):
            digits[d + 1] += digits[d]
        for key in keys:
            digit = (key >> shift) & 255
            spare[digits[digit]] = key
            digits[digit] += 1
        keys[:] = spare[: keys.shape[0]]
        shift += 8


@kernel
def reach(
    indptr: Array, indices: Array, n_steps: int, marked: Array, start: int, stop: int
) -> tuple[Array, Array]:
    """Find the other cells within 1 to `n_steps` steps from marked cells of `start` to `stop`.

    Return their number per cell, and the cells themselves, one after the other and sorted for each.
    Cells that are not marked get none.
    """
    n_cells = indptr.shape[0] - 1
    mark = np.full(n_cells, -1, dtype=np.int32)
    found = np.empty(n_cells, dtype=np.int32)
    spare = np.empty(n_cells, dtype=np.int32)
    digits = np.empty(257, dtype=np.int64)
    degrees = np.zeros(stop - start, dtype=np.int64)
    # memory is not used until it is written to, so room for two steps is allocated at once
    room = 0
    for i in range(start, stop):
        if not marked[i]:
            continue
        for k in range(indptr[i], indptr[i + 1]):
            room += 1 + indptr[indices[k] + 1] - indptr[indices[k]]
    out = np.empty(room, dtype=np.int32)
    filled = 0
    for i in range(start, stop):
        if not marked[i]:
            continue
        found[0] = i
        mark[i] = i
        n_found = 1
        done = 0
        for _ in range(n_steps):
            end = n_found
            if done == end:  # nothing new was reached
                break
            for f in range(done, end):
                row = found[f]
                for k in range(indptr[row], indptr[row + 1]):
                    j = indices[k]
                    if mark[j] != i:
                        mark[j] = i
                        found[n_found] = j
                        n_found += 1
            done = end
        n_others = n_found - 1
        sort_keys(found[1:n_found], spare, 0, n_cells, digits)
        if filled + n_others > out.shape[0]:
            larger = np.empty(max(2 * out.shape[0], filled + n_others), dtype=np.int32)
            larger[:filled] = out[:filled]
            out = larger
        out[filled : filled + n_others] = found[1:n_found]
        degrees[i - start] = n_others
        filled += n_others
    return degrees, out[:filled]


@kernel
def arrange_by_sign(
    indptr: Array,
    indices: Array,
    values: Array,
    cell_of_row: Array,
    numbers: Array,
    start: int,
    stop: int,
) -> None:
    """Arrange the entries of some rows: positive values first, then negative ones, then zeros.

    Indices of rows become those of cells, and are sorted among values of one sign. The numbers of
    positive and negative values are written to ``numbers[:, i + 1]`` for the cell i of each row.
    """
    n_cells = cell_of_row.shape[0]
    # the key of an entry is its column followed by its place in the row
    keys = np.empty(n_cells, dtype=np.int64)
    spare = np.empty(n_cells, dtype=np.int64)
    digits = np.empty(257, dtype=np.int64)
    before = np.empty(n_cells, dtype=np.float32)
    for row in range(start, stop):
        low = indptr[row]
        n = indptr[row + 1] - low
        positive = negative = 0
        for k in range(n):
            keys[k] = (np.int64(cell_of_row[indices[low + k]]) << 32) | k
            before[k] = values[low + k]
            positive += before[k] > 0
            negative += before[k] < 0
        sort_keys(keys[:n], spare, 32, n_cells, digits)
        places = low, low + positive, low + positive + negative
        p, m, z = places
        for key in keys[:n]:
            value = before[key & 0xFFFFFFFF]
            if value > 0:
                place = p
                p += 1
            elif value < 0:
                place = m
                m += 1
            else:
                place = z
                z += 1
            indices[place], values[place] = key >> 32, value
        numbers[0, cell_of_row[row] + 1] = positive
        numbers[1, cell_of_row[row] + 1] = negative


@kernel
def copy_rows(
    firsts: Array, source: Array, starts: Array, out: Array, start: int, stop: int
) -> None:
    """Copy entries from the place ``firsts[i]`` on to the rows i of a CSR matrix."""
    for i in range(start, stop):
        for k in range(starts[i + 1] - starts[i]):
            out[starts[i] + k] = source[firsts[i] + k]
