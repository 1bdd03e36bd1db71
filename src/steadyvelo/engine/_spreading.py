"""The transpose of the smoothing operator W: each cell's counts enter certain smoothed values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

from ._edges import kept_edges
from ._kernels._spreading import sum_rows, sum_weighted_rows, weigh_rows
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array

    from ._smoothing import SmoothingOperator

__all__ = ["Spreading"]


@dataclass(frozen=True, eq=False)
class Spreading:
    r"""Sums :math:`h_c = \sum_i W_{ic} x_i` for the receiving cells c.

    Attributes
    ----------
    indptr, indices
        CSR pattern of :math:`W^\top`, int64 and int32; rows of other cells are empty.
    share
        Factor of all entries of each row of W, shape (rows,).
    weights
        Further factor of each entry of the pattern, float32; None if there is none.

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
    weights: Float32Array | None = None

    @classmethod
    def transposing(cls, smoothing: SmoothingOperator, receives: BoolArray | None = None) -> Self:
        """Transpose an operator W between rows; `receives` marks the receiving rows."""
        share = 1.0 / np.maximum(np.diff(smoothing.indptr), 1)
        return cls.of_entries(smoothing.indptr, smoothing.indices, share, receives)

    @classmethod
    def of_entries(
        cls,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        share: Float64Array,
        receives: BoolArray | None = None,
        weights: Float32Array | None = None,
    ) -> Self:
        """Transpose W, which is given by its CSR pattern and the factors of rows and entries."""
        if receives is not None:
            keep = receives[indices]
            indptr, indices = kept_edges(indptr, indices, keep)
            weights = None if weights is None else weights[keep]
        data: NDArray[Any] = np.ones(len(indices), dtype=np.int8) if weights is None else weights
        turned = sp.csr_array((data, indices, indptr), shape=(len(share),) * 2).tocsc()
        return cls(
            turned.indptr.astype(np.int64, copy=False),
            turned.indices.astype(np.int32, copy=False),
            share,
            None if weights is None else turned.data,
        )

    @property
    def entry_weights(self) -> Float32Array:
        """Further factor of each entry, also if all are 1."""
        return np.ones(len(self.indices), np.float32) if self.weights is None else self.weights

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
        """Return each row's sum over `values` from :meth:`weigh`, shape (rows, genes)."""
        result = np.empty_like(values) if out is None else out
        pattern = self.indptr, self.indices
        if self.weights is None:
            work = partial(sum_rows, *pattern, values, result)
        else:
            work = partial(sum_weighted_rows, *pattern, self.weights, values, result)
        for_rows(work, len(result), n_threads)
        return result
