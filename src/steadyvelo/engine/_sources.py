"""Where gene blocks come from: counts smoothed on the fly, or layers that exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import scipy.sparse as sp

from . import _kernels
from ._threads import for_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray, Matrix

    from ._smoothing import SmoothingOperator

__all__ = ["CountsSource", "LayerSource", "MomentBlock", "MomentSource"]


@dataclass(frozen=True, eq=False)
class MomentBlock:
    """Smoothed abundances of some genes.

    Attributes
    ----------
    genes
        Places of the genes among the genes of the source.
    spliced, unspliced
        Ms and Mu, float32, shape (cells, genes of the block), a cell's values contiguous.
    """

    genes: slice
    spliced: Float32Array
    unspliced: Float32Array

    def velocity(self, gamma: Float64Array, offset: Float64Array) -> Float32Array:
        """Return u − γs − o for the genes of the block, float32; NaN where γ is."""
        out = self.spliced * -gamma.astype(np.float32)
        out += self.unspliced
        if np.any(offset != 0):
            out -= offset.astype(np.float32)
        return out


class MomentSource(Protocol):
    """Anything that yields the gene blocks of the chosen genes in order."""

    @property
    def n_cells(self) -> int:
        """Number of cells."""

    @property
    def n_genes(self) -> int:
        """Number of chosen genes."""

    def blocks(self, genes_per_block: int, n_threads: int = 1) -> Iterator[MomentBlock]:
        """Yield one block after the other."""


@dataclass(frozen=True, eq=False)
class CountsSource:
    """Counts, size factors and neighbours; every block is smoothed when it is asked for.

    Attributes
    ----------
    spliced, unspliced
        Counts, cells × genes, CSR with sorted indices; never changed.
    spliced_scale, unspliced_scale
        What a cell's counts are multiplied with: 1 / size factor, shape (cells,).
    smoothing
        The operator W.
    genes
        Chosen columns, sorted.
    """

    spliced: sp.csr_array[Any]
    unspliced: sp.csr_array[Any]
    spliced_scale: Float64Array
    unspliced_scale: Float64Array
    smoothing: SmoothingOperator
    genes: IntArray

    @classmethod
    def from_counts(
        cls,
        spliced: Matrix,
        unspliced: Matrix,
        *,
        spliced_scale: Float64Array,
        unspliced_scale: Float64Array,
        smoothing: SmoothingOperator,
        genes: IntArray,
    ) -> Self:
        """Take counts in any format; what is not sorted CSR is copied into it."""
        return cls(
            _sorted_csr(spliced),
            _sorted_csr(unspliced),
            spliced_scale,
            unspliced_scale,
            smoothing,
            genes,
        )

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.spliced.shape[0])

    @property
    def n_genes(self) -> int:
        """Number of chosen genes."""
        return len(self.genes)

    def blocks(self, genes_per_block: int, n_threads: int = 1) -> Iterator[MomentBlock]:
        """Yield one block after the other."""
        for genes in _slices(self.n_genes, genes_per_block):
            columns = self.genes[genes]
            yield MomentBlock(
                genes,
                self._smoothed(self.spliced, self.spliced_scale, columns, n_threads),
                self._smoothed(self.unspliced, self.unspliced_scale, columns, n_threads),
            )

    def _smoothed(
        self, counts: sp.csr_array[Any], scale: Float64Array, columns: IntArray, n_threads: int
    ) -> Float32Array:
        values = np.zeros((self.n_cells, len(columns)), dtype=np.float32)
        position = np.full(counts.shape[1], -1, dtype=np.int32)
        position[columns] = np.arange(len(columns))
        span = (int(columns[0]), int(columns[-1]) + 1)

        def work(start: int, stop: int) -> None:
            _kernels.gather_block(
                counts.indptr,
                counts.indices,
                counts.data,
                scale,
                position,
                span,
                values,
                start,
                stop,
            )

        for_rows(work, self.n_cells, n_threads)
        return self.smoothing.apply(values, n_threads)


@dataclass(frozen=True, eq=False)
class LayerSource:
    """Smoothed layers that exist already.

    Attributes
    ----------
    spliced, unspliced
        Ms and Mu, cells × genes, dense or sparse; never changed.
    genes
        Chosen columns, sorted.
    """

    spliced: Matrix
    unspliced: Matrix
    genes: IntArray

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.spliced.shape[0])

    @property
    def n_genes(self) -> int:
        """Number of chosen genes."""
        return len(self.genes)

    def blocks(self, genes_per_block: int, n_threads: int = 1) -> Iterator[MomentBlock]:  # noqa: ARG002
        """Yield one block after the other."""
        for genes in _slices(self.n_genes, genes_per_block):
            columns = self.genes[genes]
            yield MomentBlock(
                genes, dense_columns(self.spliced, columns), dense_columns(self.unspliced, columns)
            )


def dense_columns(x: Matrix, columns: IntArray) -> Float32Array:
    """Return some columns as a dense float32 array whose rows are contiguous."""
    block = x[:, columns]
    dense = block.toarray() if sp.issparse(block) else block
    return np.ascontiguousarray(dense, dtype=np.float32)


def _sorted_csr(x: Matrix) -> sp.csr_array[Any]:
    csr = sp.csr_array(x)
    if not csr.has_canonical_format:
        # a copy: sum_duplicates and sort_indices would work in the user's arrays
        csr = csr.copy()
        csr.sum_duplicates()
    return csr


def _slices(n: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
