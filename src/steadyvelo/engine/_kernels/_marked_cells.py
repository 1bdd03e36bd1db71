"""Sums over the cells that rules mark, of which there are few."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def count_marked(codes: Array, numbers: Array, present: Array, start: int, stop: int) -> None:
    """Write how many genes of each row are marked, and mark the codes that occur."""
    for i in range(start, stop):
        n = 0
        for g in range(codes.shape[1]):
            if codes[i, g] != 0:
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
    """Write the entries of each row: the place of slot and gene, and share · value."""
    width = codes.shape[1]
    for i in range(start, stop):
        k = pointers[i]
        for g in range(width):
            if codes[i, g] != 0:
                places[k] = slot[codes[i, g]] * width + g
                terms[k] = share[i] * values[i, g]
                k += 1


@kernel
def _add_slots(total: Array, chosen: Array, columns: Array, row: Array) -> None:
    """Add the sums of the chosen slots to columns of a row."""
    width = columns.shape[0]
    for slot in range(chosen.shape[0]):
        if chosen[slot]:
            part = total[slot * width : (slot + 1) * width]
            for g in range(width):
                row[columns[g]] += np.float32(part[g])


@kernel
def add_marked(
    indptr: Array,
    indices: Array,
    weights: Array,
    pointers: Array,
    places: Array,
    terms: Array,
    share: Array,
    in_rule: Array,
    columns: Array,
    outs: tuple[Array, ...],
    outs0: tuple[Array, ...],
    zero: float,
    start: int,
    stop: int,
) -> None:
    """Add to each row, under every rule, its sum over the marked cells that a pattern lists.

    `weights` has one value for each entry of the pattern. The sum for the slope is over the terms
    of :func:`list_marked`, and that for the offset over the shares of the rows; sums under a rule
    are those of its slots, which are the columns of `in_rule`. Results are added to `columns` of
    the rules' arrays; those for the offset may have no columns.
    """
    n_rules, n_slots = in_rule.shape
    width = columns.shape[0]
    total = np.full(n_slots * width, zero)
    total0 = np.full(n_slots * width, zero)
    with_offset = False
    for rule in range(n_rules):
        with_offset |= outs0[rule].shape[1] > 0
    for r in range(start, stop):
        low, high = indptr[r], indptr[r + 1]
        if low == high:
            continue
        total[:] = zero
        total0[:] = zero
        for k in range(low, high):
            j, weight = indices[k], weights[k]
            given = np.float32(weight * share[j])
            if with_offset:
                for e in range(pointers[j], pointers[j + 1]):
                    place = places[e]
                    total[place] += weight * terms[e]
                    total0[place] += given
            else:
                for e in range(pointers[j], pointers[j + 1]):
                    total[places[e]] += weight * terms[e]
        for rule in range(n_rules):
            _add_slots(total, in_rule[rule], columns, outs[rule][r])
            if outs0[rule].shape[1] > 0:
                _add_slots(total0, in_rule[rule], columns, outs0[rule][r])
