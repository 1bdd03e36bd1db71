"""Dense blocks of genes: columns of a matrix of cells × genes, transposed, or minus their lines."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def gather_csr(
    indptr: Array,
    indices: Array,
    data: Array,
    scale: Array,
    place: Array,
    columns: tuple[int, int],
    cursor: Array,
    row_of_cell: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write the scaled entries of some columns of the CSR rows `start` to `stop` to a block.

    `place` maps a column to its place in `out`, or to −1. All wanted columns are in the half-open
    range `columns`. Column indices must be sorted within a row. `cursor` is a guess of how many
    entries of each row are before this range. It is checked, and set to the end of the range, which
    is right for the next range.
    """
    first, last = columns
    for i in range(start, stop):
        begin, end = indptr[i], indptr[i + 1]
        low = begin + cursor[i]
        if (low > begin and indices[low - 1] >= first) or (low < end and indices[low] < first):
            low, high = begin, end
            while low < high:  # bisection for the first entry at or after `first`
                middle = (low + high) // 2
                if indices[middle] < first:
                    low = middle + 1
                else:
                    high = middle
        row = out[row_of_cell[i]]
        row[:] = np.float32(0.0)
        while low < end and indices[low] < last:
            p = place[indices[low]]
            if p >= 0:
                row[p] += np.float32(data[low] * scale[i])
            low += 1
        cursor[i] = low - begin


@kernel
def gather_csc(
    indptr: Array,
    indices: Array,
    data: Array,
    scale: Array,
    columns: Array,
    row_of_cell: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Add the scaled entries of the CSC columns `start` to `stop` in the list `columns`."""
    for g in range(start, stop):
        for k in range(indptr[columns[g]], indptr[columns[g] + 1]):
            i = indices[k]
            out[row_of_cell[i], g] += np.float32(data[k] * scale[i])


@kernel
def gather_dense(
    values: Array,
    scale: Array,
    columns: Array,
    cell_of_row: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write the scaled columns of a dense matrix to the rows `start` to `stop` of a block."""
    for p in range(start, stop):
        i = cell_of_row[p]
        for g in range(columns.shape[0]):
            out[p, g] = np.float32(values[i, columns[g]] * scale[i])


@kernel
def transpose(block: Array, row_of_cell: Array, out: Array) -> None:
    """Write the rows of a narrow block to the columns of `out`, in the order of the cells.

    Each row is one line of memory, and every gene is written without interruption.
    """
    n_genes, n_cells = out.shape
    for i in range(n_cells):
        row = block[row_of_cell[i]]
        for g in range(n_genes):
            out[g, i] = row[g]


@kernel
def place_rows(values: Array, row_of_cell: Array, out: Array) -> None:
    """Undo :func:`transpose`; `values` may have one row for all columns of the block."""
    n_cells, n_genes = out.shape
    all_alike = values.shape[0] == 1
    for i in range(n_cells):
        row = out[row_of_cell[i]]
        if all_alike:
            row[:] = values[0, i]
        else:
            for g in range(n_genes):
                row[g] = values[g, i]


@kernel
def write_columns(
    values: Array, row_of_cell: Array, columns: Array, out: Array, start: int, stop: int
) -> None:
    """Write a block to columns of `out`, for the cells from `start` to `stop` in their order."""
    for i in range(start, stop):
        row, target = values[row_of_cell[i]], out[i]
        for g in range(columns.shape[0]):
            target[np.uint64(columns[g])] = row[g]


@kernel
def residual_rows(
    spliced: Array, unspliced: Array, gamma: Array, offset: Array, out: Array, start: int, stop: int
) -> None:
    """Write u − γs − o, computed in float64; `out` may be one of the inputs."""
    for i in range(start, stop):
        for g in range(gamma.shape[0]):
            out[i, g] = unspliced[i, g] - gamma[g] * spliced[i, g] - offset[g]


@kernel
def put_columns(
    values: Array, columns: Array, out: Array, place: int, start: int, stop: int
) -> None:
    """Write some columns of some rows to a place of `out`, (rows, places, columns)."""
    for i in range(start, stop):
        row, target = values[i], out[i, place]
        for g in range(columns.shape[0]):
            target[g] = row[np.uint64(columns[g])]


@kernel
def clear_rows(out: Array, start: int, stop: int) -> None:
    """Write 0 to some rows."""
    for i in range(start, stop):
        row = out[i]
        for g in range(row.shape[0]):
            row[g] = 0.0
