"""Log-normalised expression that is computed when it is needed, not stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

from steadyvelo.engine._kernels._expression import log_rows, project_rows
from steadyvelo.engine._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, IntArray

__all__ = ["LogExpression"]


@dataclass(frozen=True, eq=False)
class LogExpression:
    """scale · log(1 + counts / size factor) of some genes.

    Attributes
    ----------
    counts
        Counts of all genes, CSR, cells × genes; they are not changed.
    genes
        Mask of the genes.
    inverse
        1 / size factor, shape (cells,).
    scale
        Factor of each of the genes, shape (genes,).
    n_threads
        Number of threads.
    """

    counts: sp.csr_array[Any]
    genes: BoolArray
    inverse: Float64Array
    scale: Float32Array
    n_threads: int = 1
    _place: IntArray = field(init=False)

    def __post_init__(self) -> None:
        place = np.full(len(self.genes), -1, dtype=np.int32)
        place[self.genes] = np.arange(int(self.genes.sum()))
        object.__setattr__(self, "_place", place)

    @classmethod
    def of(
        cls,
        counts: Any,
        genes: BoolArray,
        factor: NDArray[np.floating[Any]] | None,
        n_threads: int = 1,
    ) -> Self:
        """Make it from counts in any format; without factors, counts are not divided."""
        rows = counts if isinstance(counts, sp.csr_array) else sp.csr_array(counts)
        inverse = np.ones(rows.shape[0])
        if factor is not None:
            inverse = 1.0 / np.where(factor > 0, factor, 1.0).astype(np.float64)
        return cls(rows, genes, inverse, np.ones(int(genes.sum()), dtype=np.float32), n_threads)

    def scaled(self, scale: Float32Array) -> LogExpression:
        """Return the values multiplied by another scale of the genes."""
        return replace(self, scale=self.scale * scale)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells and genes."""
        return self.counts.shape[0], len(self.scale)

    @cached_property
    def _entries(self) -> tuple[NDArray[Any], ...]:
        x = self.counts
        return x.indptr, x.indices, x.data, self.inverse, self._place

    def rows(self, cells: IntArray, *, in_float32: bool = False) -> NDArray[Any]:
        """Return the values of some cells as a dense array, float64 or float32."""
        out = np.empty((len(cells), self.shape[1]), dtype=np.float32 if in_float32 else np.float64)
        for_rows(
            partial(log_rows, *self._entries, self.scale, cells, out), len(cells), self.n_threads
        )
        return out

    def projected(
        self, vectors: Float64Array, shift: Float64Array, *, in_float32: bool = False
    ) -> NDArray[Any]:
        """Return the products of all cells with vectors, (genes, vectors), minus a shift."""
        kind = np.float32 if in_float32 else np.float64
        out = np.empty((self.shape[0], vectors.shape[1]), dtype=kind)
        # zeros, of which there are many, add nothing
        scaled = np.ascontiguousarray(vectors * self.scale[:, None], dtype=kind)
        given = *self._entries, scaled, shift.astype(kind), out
        for_rows(partial(project_rows, *given), len(out), self.n_threads)
        return out

    def matrix(self) -> sp.csr_matrix[Any]:
        """Return the values as a sparse matrix, float32."""
        chosen = sp.csr_matrix(self.counts[:, np.flatnonzero(self.genes)], dtype=np.float32)
        divided = sp.csr_matrix(sp.diags_array(self.inverse) @ chosen, dtype=np.float32)
        return sp.csr_matrix(divided.log1p() @ sp.diags_array(self.scale), dtype=np.float32)
