"""Influences of counts on lines, errors of arrows due to lines, and instruments that are kept."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def add_line_errors(
    slopes: Array,
    offsets: Array,
    slope_variance: Array,
    covariance: Array,
    offset_variance: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Add the covariance of every arrow that is due to the errors of some genes' lines."""
    n_dims, width = slopes.shape[1], slopes.shape[2]
    with_offset = offsets.shape[0] > 0
    for i in range(start, stop):
        for d in range(n_dims):
            for f in range(d + 1):
                total = 0.0
                for g in range(width):
                    total += np.float64(slopes[i, d, g]) * slopes[i, f, g] * slope_variance[g]
                if with_offset:
                    for g in range(width):
                        x, y = np.float64(offsets[i, d, g]), np.float64(offsets[i, f, g])
                        total += x * y * offset_variance[g]
                        total += (slopes[i, d, g] * y + x * slopes[i, f, g]) * covariance[g]
                out[i, d, f] += total
                if f < d:
                    out[i, f, d] += total


@kernel
def sum_by_group(values: Array, groups: Array, out: Array, start: int, stop: int) -> None:
    """Add some rows of `values` to the rows of their groups; −1 is no group."""
    for i in range(start, stop):
        if groups[i] >= 0:
            row, total = values[i], out[groups[i]]
            for g in range(row.shape[0]):
                total[g] += row[g]


@kernel
def count_nonzero(values: Array, out: Array, start: int, stop: int) -> None:
    """Write the number of non-zero values of each row."""
    for i in range(start, stop):
        n = 0
        for g in range(values.shape[1]):
            n += values[i, g] != 0
        out[i] = n


@kernel
def take_nonzero(
    values: Array, indptr: Array, indices: Array, data: Array, start: int, stop: int
) -> None:
    """Write the non-zero values of each row and their columns to the places of a CSR pattern."""
    for i in range(start, stop):
        k = indptr[i]
        for g in range(values.shape[1]):
            if values[i, g] != 0:
                indices[k] = g
                data[k] = values[i, g]
                k += 1


@kernel
def count_known(
    h: Array, spliced: Array, unspliced: Array, out: Array, start: int, stop: int
) -> None:
    """Write, for some genes, how many cells with counts have an instrument."""
    for g in range(start, stop):
        out[g] = 0
    for c in range(h.shape[0]):
        for g in range(start, stop):
            out[g] += h[c, g] != 0 and (spliced[c, g] != 0 or unspliced[c, g] != 0)


@kernel
def take_known(
    h: Array,
    spliced: Array,
    unspliced: Array,
    indptr: Array,
    marks: Array,
    data: Array,
    start: int,
    stop: int,
) -> None:
    """Write these instruments of some genes to their places in `data`, and mark their rows.

    Row c has bit c mod 8 of byte c / 8 in the `marks` of a gene, which are 0 before.
    """
    place = indptr[start:stop].copy()
    for c in range(h.shape[0]):
        for g in range(start, stop):
            if h[c, g] != 0 and (spliced[c, g] != 0 or unspliced[c, g] != 0):
                k = place[g - start]
                data[k] = h[c, g]
                marks[g, c >> 3] |= np.uint8(1 << (c & 7))
                place[g - start] = k + 1


@kernel
def put_column(marks: Array, data: Array, column: int, out: Array) -> None:
    """Write values to the marked rows of a column."""
    k = 0
    for byte in range(marks.shape[0]):
        mark = marks[byte]
        if mark == 0:
            continue
        for bit in range(8):
            if mark >> bit & 1:
                out[byte * 8 + bit, column] = data[k]
                k += 1
