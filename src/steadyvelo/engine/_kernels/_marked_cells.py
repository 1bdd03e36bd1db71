"""Sums over the cells that rules mark.

Slopes need the few marked cells with counts, which are listed. Offsets need all marked cells, which
may be most of a gene's, so the codes themselves are read.
"""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def count_marked(
    codes: Array, values: Array, numbers: Array, present: Array, start: int, stop: int
) -> None:
    """Write how many marked genes of each row have a value, and mark the codes that occur."""
    for i in range(start, stop):
        n = 0
        for g in range(codes.shape[1]):
            if codes[i, g] != 0 and values[i, g] != 0.0:
                n += 1
                present[codes[i, g]] = True
        numbers[i] = n


@kernel
def list_marked(
    codes: Array,
    values: Array,
    share: Array,
    slot: Array,
    pointers: Array,
    places: Array,
    terms: Array,
    start: int,
    stop: int,
) -> None:
    """Write these entries of each row: the place of slot and gene, and share · value."""
    width = codes.shape[1]
    for i in range(start, stop):
        k = pointers[i]
        for g in range(width):
            if codes[i, g] != 0 and values[i, g] != 0.0:
                places[k] = slot[codes[i, g]] * width + g
                terms[k] = share[i] * values[i, g]
                k += 1


@kernel
def _add_to_columns(values: Array, columns: Array, row: Array) -> None:
    # unsigned places need no check for negative ones
    for g in range(columns.shape[0]):
        row[np.uint64(columns[g])] += np.float32(values[g])


@kernel
def add_marked(
    indptr: Array,
    indices: Array,
    ranks: Array,
    weights: Array,
    pointers: Array,
    places: Array,
    terms: Array,
    in_rule: Array,
    columns: Array,
    outs: tuple[Array, ...],
    zero: float,
    start: int,
    stop: int,
) -> None:
    """Add to each row, under every rule, its sum of terms over the marked cells of a pattern.

    `weights` are by the rank of an entry of the pattern. The sum under a rule is that of its slots,
    which are the columns of `in_rule`. Results are added to `columns` of the rules' arrays.
    """
    n_rules, n_slots = in_rule.shape
    width = columns.shape[0]
    total = np.full(n_slots * width, zero)
    under = np.empty(width, dtype=total.dtype)
    for r in range(start, stop):
        low, high = indptr[r], indptr[r + 1]
        if low == high:
            continue
        total[:] = zero
        for k in range(low, high):
            j, weight = indices[k], weights[ranks[k]]
            for e in range(pointers[j], pointers[j + 1]):
                total[np.uint64(places[np.uint64(e)])] += weight * terms[np.uint64(e)]
        for rule in range(n_rules):
            under[:] = zero
            for slot in range(n_slots):
                if in_rule[rule, slot]:
                    part = total[slot * width : (slot + 1) * width]
                    for g in range(width):
                        under[g] += part[g]
            _add_to_columns(under, columns, outs[rule][r])


@kernel
def add_shares(
    indptr: Array,
    indices: Array,
    ranks: Array,
    weights: Array,
    codes: Array,
    share: Array,
    bit: int,
    columns: Array,
    out: Array,
    zero: float,
    start: int,
    stop: int,
) -> None:
    """Add to each row its sum of shares over the cells of a pattern whose code has a bit.

    Four cells are processed at a time, so that the sum is not stored and loaded again for each.
    """
    width = columns.shape[0]
    total = np.full(width, zero)
    # in the type of the sums
    none, given = zero, np.empty(4, dtype=total.dtype)
    mask = np.uint8(1 << bit)
    for r in range(start, stop):
        low, high = indptr[r], indptr[r + 1]
        if low == high:
            continue
        total[:] = zero
        k = low
        while k + 4 <= high:
            for m in range(4):
                given[m] = weights[ranks[k + m]] * share[indices[k + m]]
            p, q, s, t = given[0], given[1], given[2], given[3]
            a, b = codes[indices[k]], codes[indices[k + 1]]
            c, d = codes[indices[k + 2]], codes[indices[k + 3]]
            for g in range(width):
                one = (p if a[g] & mask else none) + (q if b[g] & mask else none)
                other = (s if c[g] & mask else none) + (t if d[g] & mask else none)
                total[g] += one + other
            k += 4
        while k < high:
            given[0] = weights[ranks[k]] * share[indices[k]]
            a, p = codes[indices[k]], given[0]
            for g in range(width):
                total[g] += p if a[g] & mask else none
            k += 1
        _add_to_columns(total, columns, out[r])
