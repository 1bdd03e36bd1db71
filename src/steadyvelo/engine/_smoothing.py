"""The smoothing operator W of first moments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

from ._edges import kept_edges
from ._kernels._smoothing import smooth_rows, smooth_rows_in_float32
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, SparseMatrix

    from ._order import CellOrder

__all__ = ["SmoothingOperator"]


@dataclass(frozen=True, eq=False)
class SmoothingOperator:
    """Means over each cell and its neighbours.

    W is the binarised neighbour graph plus the identity, with rows divided by their sums. Only its
    pattern is stored, because all entries of a row are equal.

    Attributes
    ----------
    indptr, indices
        CSR pattern of W, int64 and int32; values are summed in this order of the indices.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> connectivities = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> smoothing = engine.SmoothingOperator.from_connectivities(connectivities)
    >>> smoothing.apply(np.array([[0], [3], [6]], dtype=np.float32)).ravel()
    array([1.5, 3. , 4.5], dtype=float32)
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]

    @classmethod
    def from_connectivities(
        cls, connectivities: SparseMatrix, cells: BoolArray | None = None
    ) -> Self:
        """Make the operator from a neighbour graph, cells × cells; zeros are not neighbours.

        If `cells` is given, only these cells enter the means. Means of the other cells are over
        their neighbours without themselves.
        """
        pattern = sp.csr_array(connectivities, copy=True)
        pattern.eliminate_zeros()
        own = np.ones(pattern.shape[0], dtype=np.int8)
        pattern.data = np.ones(pattern.nnz, dtype=np.int8)
        pattern = sp.csr_array(pattern + sp.diags_array(own, format="csr", dtype=np.int8))
        if cells is not None and not cells.all():
            pattern.data = cells[pattern.indices].astype(np.int8)
            pattern.eliminate_zeros()
        pattern.sort_indices()
        return cls(
            pattern.indptr.astype(np.int64, copy=False),
            pattern.indices.astype(np.int32, copy=False),
        )

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.indptr) - 1

    def reordered(self, order: CellOrder) -> SmoothingOperator:
        """Return the operator between rows in an order; the order of sums is kept."""
        return SmoothingOperator(*order.relabel(self.indptr, self.indices))

    def without(self, cells: BoolArray) -> SmoothingOperator:
        """Return the operator for means over the same neighbours without some cells."""
        return self._with(~cells[self.indices])

    def without_self(self) -> SmoothingOperator:
        """Return the operator for means over the same neighbours without the cell itself."""
        own = np.repeat(np.arange(self.n_cells), np.diff(self.indptr))
        return self._with(self.indices != own)

    def _with(self, keep: BoolArray) -> SmoothingOperator:
        return SmoothingOperator(*kept_edges(self.indptr, self.indices, keep))

    def apply(
        self,
        values: Float32Array,
        n_threads: int = 1,
        out: Float32Array | None = None,
        *,
        in_float32: bool = False,
    ) -> Float32Array:
        """Smooth dense values, shape (cells, genes of a block), into `out` if it is given.

        Sums are in float64, or in float32 as scVelo's.
        """
        result = np.empty_like(values) if out is None else out
        kernel = smooth_rows_in_float32 if in_float32 else smooth_rows
        work = partial(kernel, self.indptr, self.indices, values, result)
        for_rows(work, self.n_cells, n_threads)
        return result

    def to_matrix(self) -> sp.csr_array[Any]:
        """Return W as a sparse matrix, float64."""
        degree = np.diff(self.indptr)
        data = np.repeat(1.0 / np.maximum(degree, 1), degree)
        return sp.csr_array((data, self.indices, self.indptr), shape=(self.n_cells,) * 2)
