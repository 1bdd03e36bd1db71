"""An order of the cells in which neighbours are close together in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import reverse_cuthill_mckee

from ._kernels._order import permute_rows
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Pattern

__all__ = ["CellOrder"]


@dataclass(frozen=True, eq=False)
class CellOrder:
    """A permutation of the cells and its inverse.

    Blocks of genes and the edges between their rows are in this order; results are in the order of
    the user's cells.

    Attributes
    ----------
    cell_of_row, row_of_cell
        The cell in each row of a block, and the row of each cell, shape (cells,), int32.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> cell_of_row = np.array([2, 0, 1], dtype=np.int32)
    >>> order = engine.CellOrder(cell_of_row, np.argsort(cell_of_row).astype(np.int32))
    >>> cells = np.array([10.0, 20.0, 30.0])
    >>> rows = cells[order.cell_of_row]
    >>> rows
    array([30., 10., 20.])
    >>> rows[order.row_of_cell]
    array([10., 20., 30.])
    """

    cell_of_row: NDArray[np.int32]
    row_of_cell: NDArray[np.int32]

    @classmethod
    def identity(cls, n_cells: int) -> Self:
        """Keep the order of the cells."""
        cells = np.arange(n_cells, dtype=np.int32)
        return cls(cells, cells)

    @classmethod
    def along(cls, indptr: NDArray[np.int64], indices: NDArray[np.int32]) -> Self:
        """Sort cells along a neighbour graph by the reverse Cuthill–McKee algorithm.

        Values that a row needs are then often still in the processor's cache from the row before.
        """
        n_cells = len(indptr) - 1
        ones = np.ones(len(indices), dtype=np.int8)
        graph = sp.csr_array((ones, indices, indptr), shape=(n_cells, n_cells))
        order = np.asarray(reverse_cuthill_mckee(graph, symmetric_mode=True), dtype=np.int32)
        position = np.empty_like(order)
        position[order] = np.arange(n_cells, dtype=np.int32)
        return cls(order, position)

    def permuted(self, matrix: sp.csr_matrix[Any], n_threads: int = 1) -> sp.csr_matrix[Any]:
        """Convert a matrix between cells to one between rows; the order of entries is kept."""
        lengths = np.diff(matrix.indptr)[self.cell_of_row]
        indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        indices, data = np.empty(indptr[-1], dtype=np.int32), np.empty(indptr[-1], matrix.dtype)
        given = (matrix.indptr, matrix.indices, matrix.data), self.cell_of_row, self.row_of_cell
        work = partial(permute_rows, *given, (indptr, indices, data))
        for_rows(work, len(lengths), n_threads)
        return sp.csr_matrix((data, indices, indptr), shape=matrix.shape)

    def relabel(self, indptr: NDArray[np.int64], indices: NDArray[np.int32]) -> Pattern:
        """Convert a CSR pattern between cells to one between rows; the order of entries is kept."""
        ones = np.ones(len(indices), dtype=np.int8)
        rows = self.permuted(sp.csr_matrix((ones, indices, indptr), shape=(len(indptr) - 1,) * 2))
        return rows.indptr.astype(np.int64), rows.indices.astype(np.int32, copy=False)
