"""The transpose of an operator W of means: each cell's counts enter certain smoothed values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

from ._kernels._spreading import sum_ranked_rows, sum_rows, weigh_rows
from ._kernels._transposed import write_ranked
from ._threads import for_rows, in_threads
from ._transposed import transposed_places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import (
        BoolArray,
        Float32Array,
        Float64Array,
        IntArray,
        Pattern,
    )

    from ._smoothing import SmoothingOperator

__all__ = ["RankedSpreading", "Spreading"]


@dataclass(frozen=True, eq=False)
class Spreading:
    r"""Sums :math:`h_c = \sum_i W_{ic} x_i` for the receiving cells c.

    Attributes
    ----------
    indptr, indices
        CSR pattern of :math:`W^\top`, int64 and int32, with a row for every receiving cell; if
        it has rows of other cells, too, these are empty.
    share
        Factor of all entries of each row of W, shape (rows,).

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> connectivities = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> smoothing = engine.SmoothingOperator.from_connectivities(connectivities)
    >>> spreading = engine.Spreading.transposing(smoothing)
    >>> given, given0, values = np.zeros((3, 3, 1), dtype=np.float32)
    >>> spreading.weigh(values + 6, np.ones((3, 1), dtype=bool), given, given0)
    >>> spreading.received(given).ravel()
    array([5., 8., 5.], dtype=float32)
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    share: Float64Array

    @classmethod
    def transposing(cls, smoothing: SmoothingOperator, receives: BoolArray | None = None) -> Self:
        """Transpose an operator W between rows; `receives` marks the receiving rows."""
        indptr, indices = smoothing.indptr, smoothing.indices
        share = 1.0 / np.maximum(np.diff(indptr), 1)
        pattern, _ = _received(indptr, indices, receives)
        return cls(*pattern, share)

    @classmethod
    def of_rows(cls, smoothing: SmoothingOperator, rows: IntArray) -> tuple[Self, IntArray]:
        """Transpose some rows of an operator W, and return the rows that receive from them.

        The transpose has rows for these only, ascending, and sums values of the given `rows`.
        """
        ones = np.ones(len(smoothing.indices), dtype=np.int8)
        shape = (smoothing.n_cells, smoothing.n_cells)
        entries = sp.csr_array((ones, smoothing.indices, smoothing.indptr), shape=shape)
        columns = entries[rows].tocsc()
        receivers = np.flatnonzero(np.diff(columns.indptr))
        indptr = np.append(columns.indptr[receivers], columns.nnz).astype(np.int64)
        share = 1.0 / np.maximum(np.diff(smoothing.indptr)[rows], 1)
        return cls(indptr, columns.indices.astype(np.int32, copy=False), share), receivers

    @property
    def n_receivers(self) -> int:
        """Number of rows of the transpose."""
        return len(self.indptr) - 1

    def weigh(
        self,
        values: Float32Array,
        weights: NDArray[Any],
        out: Float32Array,
        out0: Float32Array,
        n_threads: int = 1,
    ) -> None:
        r"""Write :math:`W_{i\cdot} m_i y_i` and :math:`W_{i\cdot} m_i`, the terms of the sums.

        All arrays have the shape (rows, genes). y is in `values` and m in `weights`; `out0` may
        have no columns.
        """
        work = partial(weigh_rows, values, weights, self.share, out, out0)
        for_rows(work, len(values), n_threads)

    def received(
        self, values: Float32Array, n_threads: int = 1, out: Float32Array | None = None
    ) -> Float32Array:
        """Return the sums over `values` from :meth:`weigh`, shape (receivers, genes)."""
        shape = self.n_receivers, values.shape[1]
        result = np.empty(shape, dtype=np.float32) if out is None else out
        for_rows(partial(self._sum_rows, values, result), len(result), n_threads)
        return result

    def _sum_rows(self, values: Float32Array, out: Float32Array, start: int, stop: int) -> None:
        sum_rows(self.indptr, self.indices, values, out, start, stop)


@dataclass(frozen=True, eq=False)
class RankedSpreading(Spreading):
    """The same sums if an entry of W also has a factor that depends on the rank of the neighbour.

    Attributes
    ----------
    ranks
        Rank of each entry of the pattern among the neighbours of its row of W, from 0: a small
        integer.
    weights
        Factor by rank, float32.
    """

    ranks: NDArray[np.unsignedinteger[Any]]
    weights: Float32Array

    @classmethod
    def of_neighbors(
        cls,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        weights: Float32Array,
        receives: BoolArray,
        n_threads: int = 1,
    ) -> Self:
        """Transpose the means over ranked neighbours; `receives` marks the receiving rows."""
        totals = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])
        total = totals[np.diff(indptr)]
        pattern, ranks = _received(indptr, indices, receives, n_threads)
        return cls(*pattern, 1.0 / np.where(total > 0, total, 1.0), ranks, weights)

    def _sum_rows(self, values: Float32Array, out: Float32Array, start: int, stop: int) -> None:
        pattern = self.indptr, self.indices, self.ranks, self.weights
        sum_ranked_rows(*pattern, values, out, start, stop)


def _received(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    receives: BoolArray | None,
    n_threads: int = 1,
) -> tuple[Pattern, NDArray[np.unsignedinteger[Any]]]:
    """Return the transpose of a pattern for some columns, and the rank of each entry in its row."""
    n_rows = len(indptr) - 1
    columns = np.ones(n_rows, dtype=bool) if receives is None else receives
    parts, starts = transposed_places([(indptr, indices)], n_rows, n_threads, columns)
    rows = np.empty(starts[-1], dtype=np.int32)
    most = int(np.diff(indptr).max(initial=0))
    ranks = np.empty(starts[-1], dtype=np.min_scalar_type(most))
    write = [
        partial(write_ranked, indptr, indices, columns, *part[1:], rows, ranks) for part in parts
    ]
    in_threads(write, n_threads)
    return (starts, rows), ranks
