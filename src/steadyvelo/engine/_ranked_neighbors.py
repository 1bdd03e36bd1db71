"""Neighbours in the order of their distance, with weights that fall to zero."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

from ._edges import kept_edges
from ._kernels._smoothing import smooth_ranked_genes, smooth_ranked_rows
from ._spreading import RankedSpreading
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array

    from ._order import CellOrder
    from ._smoothing import SmoothingOperator

__all__ = ["RankedNeighbors"]


@dataclass(frozen=True, eq=False)
class RankedNeighbors:
    r"""Neighbours of every cell, the nearest first, without the cell itself.

    The neighbour of rank k enters a mean with the weight :math:`w_k`. With equal weights, the mean
    would change by a whole neighbour whenever the last one is replaced. With weights that fall to
    zero, it changes by very little.

    Attributes
    ----------
    indptr, indices
        CSR pattern of the neighbours, int64 and int32, the nearest first.
    weights
        Weight :math:`w_k` by rank, float32, shape (neighbours of the longest row,).
    n_nearest
        Number of neighbours for means with equal weights.
    order
        The order that the rows already are in; None if they are in the order of the cells.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> nearest = np.array([[1, 2, 3], [0, 2, 3], [1, 3, 0], [2, 1, 0]], dtype=np.int32)
    >>> neighbors = engine.RankedNeighbors.nearest(nearest, n_nearest=2)
    >>> neighbors.weights.tolist()
    [1.0, 1.0, 0.5]
    >>> counts = np.array([[1.0], [3.0], [2.0], [0.0]], dtype=np.float32)
    >>> neighbors.means(counts, np.ones(4, dtype=bool)).ravel().round(3)
    array([2. , 1.2, 1.4, 2.2], dtype=float32)
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: Float32Array
    n_nearest: int
    order: CellOrder | None = None
    _kept: dict[bool, tuple[BoolArray, RankedSpreading]] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def nearest(cls, indices: NDArray[np.int32], n_nearest: int) -> Self:
        """Make it from the neighbours of every cell, (cells, neighbours), the nearest first.

        The weight is 1 for the nearer half, and falls linearly for the others.
        """
        n_cells, n_neighbors = indices.shape
        indptr = np.arange(n_cells + 1, dtype=np.int64) * n_neighbors
        return cls.ranked(indptr, np.ascontiguousarray(indices).ravel(), n_nearest)

    @classmethod
    def ranked(cls, indptr: NDArray[np.int64], indices: NDArray[np.int32], n_nearest: int) -> Self:
        """Make it from a CSR pattern with the nearest first; rows may have different lengths."""
        n_neighbors = int(np.diff(indptr).max(initial=0))
        rank = np.arange(n_neighbors)
        n_falling = max(n_neighbors - n_neighbors // 2, 1)
        weights = np.minimum(1.0, (n_neighbors - rank) / n_falling).astype(np.float32)
        return cls(indptr, indices, weights, n_nearest)

    @classmethod
    def equal(cls, smoothing: SmoothingOperator) -> Self:
        """Make it from an operator without the cells themselves, with equal weights."""
        most = int(np.diff(smoothing.indptr).max(initial=0))
        return cls(smoothing.indptr, smoothing.indices, np.ones(most, dtype=np.float32), most)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.indptr) - 1

    def reordered(self, order: CellOrder) -> RankedNeighbors:
        """Return the neighbours between rows in an order."""
        if self.order is not None:
            if not np.array_equal(self.order.cell_of_row, order.cell_of_row):
                msg = "the neighbours are between rows in another order."
                raise ValueError(msg)
            return self
        pattern = order.relabel(self.indptr, self.indices)
        return RankedNeighbors(*pattern, self.weights, self.n_nearest, order)

    def without(self, cells: BoolArray) -> RankedNeighbors:
        """Return the neighbours without some cells; those that follow move up."""
        keep = ~cells[self.indices]
        pattern = kept_edges(self.indptr, self.indices, keep)
        return RankedNeighbors(*pattern, self.weights, self.n_nearest, self.order)

    def means(
        self,
        values: Float32Array,
        cells: BoolArray,
        n_threads: int = 1,
        out: Float32Array | None = None,
    ) -> Float32Array:
        """Return weighted means over the neighbours among some `cells`.

        Values and means have the shape (cells, genes) or (cells, places, genes).
        """
        result = np.empty_like(values) if out is None else out
        shape = len(values), -1, values.shape[-1]
        given = values.reshape(shape), result.reshape(shape)
        pattern = self.indptr, self.indices, self.weights, cells
        for_rows(partial(smooth_ranked_rows, *pattern, *given), len(result), n_threads)
        return result

    def means_by_gene(
        self,
        values: Float32Array,
        cells: BoolArray,
        first: Float32Array,
        by_gene: Float32Array,
        n_threads: int = 1,
    ) -> None:
        """Write the means of values at several places to `by_gene`, (places, genes, cells).

        Values have the shape (cells, places, genes); the means of the first place are also written
        to `first`, (cells, genes).
        """
        pattern = self.indptr, self.indices, self.weights, cells
        work = partial(smooth_ranked_genes, *pattern, values, first, by_gene)
        for_rows(work, len(values), n_threads)

    def spreading(self, receives: BoolArray, n_threads: int = 1) -> RankedSpreading:
        """Return the transpose of the means over all neighbours, for some receiving cells."""
        # of a fold and its complement, one has the first cell: both are kept
        first = bool(receives[:1].any())
        if first not in self._kept or not np.array_equal(self._kept[first][0], receives):
            pattern = self.indptr, self.indices, self.weights
            self._kept[first] = (
                receives,
                RankedSpreading.of_neighbors(*pattern, receives, n_threads),
            )
        return self._kept[first][1]

    def nearest_alone(self) -> RankedNeighbors:
        """Return the nearest neighbours only, with equal weights; no copy if these are all."""
        pattern = self.indptr, self.indices
        if int(np.diff(self.indptr).max(initial=0)) > self.n_nearest:
            pattern = kept_edges(*pattern, self._ranks() < self.n_nearest)
        most = int(np.diff(pattern[0]).max(initial=0))
        equal = np.ones(most, dtype=np.float32)
        return RankedNeighbors(*pattern, equal, self.n_nearest, self.order)

    def to_matrix(self) -> sp.csr_array[Any]:
        """Return the weights of the means over all neighbours as a sparse matrix, float64."""
        data = self.weights[self._ranks()].astype(np.float64)
        matrix = sp.csr_array((data, self.indices, self.indptr), shape=(self.n_cells,) * 2)
        total: Float64Array = np.asarray(matrix.sum(axis=1)).ravel()
        return sp.csr_array(sp.diags_array(1.0 / np.where(total > 0, total, 1.0)) @ matrix)

    def _ranks(self) -> NDArray[np.int64]:
        degree = np.diff(self.indptr)
        return np.arange(len(self.indices)) - np.repeat(self.indptr[:-1], degree)
