"""The transpose of the neighbour operator W: to which smoothed values a cell's counts go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

from ._kernels._spreading import sum_rows, weigh_rows
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array

    from ._order import CellOrder
    from ._smoothing import SmoothingOperator

__all__ = ["Spreading"]


@dataclass(frozen=True, eq=False)
class Spreading:
    r"""Sums :math:`h_c = \sum_i W_{ic} x_i` for the cells c that receive.

    Attributes
    ----------
    indptr, indices
        CSR pattern of :math:`W^\top` between rows that stand in an order, int64 and int32; rows of
        cells that do not receive are empty.
    share
        What all entries of row i of W are, in the cells' own order, shape (cells,).
    order
        The order of the rows.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    share: Float64Array
    order: CellOrder

    @classmethod
    def transposing(
        cls, smoothing: SmoothingOperator, order: CellOrder, receives: BoolArray | None = None
    ) -> Self:
        """Transpose an operator.

        Parameters
        ----------
        smoothing
            W between rows that stand in `order`.
        order
            The order of the rows.
        receives
            Cells that receive, in their own order, shape (cells,); None means all.
        """
        n = smoothing.n_cells
        degree = np.diff(smoothing.indptr)
        ones: NDArray[Any] = np.ones(len(smoothing.indices), dtype=np.int8)
        if receives is not None:
            ones = receives[order.cell_of_row][smoothing.indices].astype(np.int8)
        pattern = sp.csr_array((ones, smoothing.indices, smoothing.indptr), shape=(n, n))
        if receives is not None:
            pattern = pattern.copy()
            pattern.eliminate_zeros()
        turned = pattern.tocsc()
        share = 1.0 / np.maximum(degree, 1)
        return cls(
            turned.indptr.astype(np.int64, copy=False),
            turned.indices.astype(np.int32, copy=False),
            share[order.row_of_cell],
            order,
        )

    def weigh(
        self,
        values: Float32Array,
        weights: NDArray[Any],
        out: Float32Array,
        out0: Float32Array,
    ) -> None:
        r"""Write :math:`W_{i\cdot} m_i y_i` and :math:`W_{i\cdot} m_i` of the cells with weight.

        Parameters
        ----------
        values, weights
            y and m, by gene and in the cells' own order, shapes (genes, cells) and (1 or genes,
            cells).
        out, out0
            Zeros, where they go, shape (rows, genes); `out0` may have no columns.
        """
        weigh_rows(values, weights, self.order.row_of_cell, self.share, out, out0)

    def received(
        self, values: Float32Array, n_threads: int = 1, out: Float32Array | None = None
    ) -> Float32Array:
        """Return what each row receives.

        Parameters
        ----------
        values
            What each row gives to each of those it goes to, as :meth:`weigh` writes it, shape
            (rows, genes).
        n_threads
            Number of threads.
        out
            Where it goes, shape (rows, genes); None makes a new array.
        """
        result = np.empty_like(values) if out is None else out

        def work(start: int, stop: int) -> None:
            sum_rows(self.indptr, self.indices, values, result, start, stop)

        for_rows(work, len(result), n_threads)
        return result
