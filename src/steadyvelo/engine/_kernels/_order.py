"""Rows and columns of a sparse matrix in another order."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def permute_rows(
    matrix: tuple[Array, Array, Array],
    cell_of_row: Array,
    row_of_cell: Array,
    out: tuple[Array, Array, Array],
    start: int,
    stop: int,
) -> None:
    """Write some rows of a matrix between cells to one between rows; `out` has its indptr.

    Both matrices are CSR (indptr, indices, data).
    """
    indptr, indices, data = matrix
    out_indptr, out_indices, out_data = out
    for row in range(start, stop):
        first = indptr[cell_of_row[row]]
        place = out_indptr[row]
        for k in range(out_indptr[row + 1] - place):
            out_indices[place + k] = row_of_cell[np.uint32(indices[first + k])]
            out_data[place + k] = data[first + k]
