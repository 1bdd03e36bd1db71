"""Sources of gene blocks: counts that are smoothed when needed, or existing layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ._gather import block_of_columns, readable
from ._kernels._gather import residual_rows, transpose, write_columns
from ._scratch import Scratch
from ._threads import Progress, for_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray, Matrix

    from ._order import CellOrder
    from ._smoothing import SmoothingOperator

__all__ = ["CountsSource", "LayerSource", "MomentBlock", "MomentSource", "by_gene"]


def by_gene(values: Float32Array, genes: slice | IntArray, order: CellOrder) -> Float32Array:
    """Return columns of rows in `order` as (genes, cells), in the order of the cells."""
    columns = values[:, genes]
    out = np.empty(columns.shape[::-1], dtype=np.float32)
    transpose(columns, order.row_of_cell, out)
    return out


@dataclass(frozen=True, eq=False)
class MomentBlock:
    """Smoothed abundances of some genes.

    Attributes
    ----------
    genes
        Indices of the genes among the genes of the source, ascending.
    order
        The cell of each row.
    spliced, unspliced
        Ms and Mu, float32, shape (cells, genes of the block); values of a cell are contiguous.
    counts
        Spliced and unspliced counts divided by size factors, not smoothed; None if they are not
        kept.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> spliced = np.array([[1.0, 4.0, 2.0], [3.0, 2.0, 2.0]])
    >>> order = engine.CellOrder.identity(2)
    >>> source = engine.LayerSource(spliced, 0.5 * spliced, np.array([0, 2]), order)
    >>> block = source.block(slice(0, 2))
    >>> block.velocity(gamma=np.array([0.5, 0.25]), offset=np.zeros(2))
    array([[0. , 0.5],
           [0. , 0.5]], dtype=float32)
    """

    genes: IntArray
    order: CellOrder
    spliced: Float32Array
    unspliced: Float32Array
    counts: tuple[Float32Array, Float32Array] | None = None

    @property
    def kept_counts(self) -> tuple[Float32Array, Float32Array]:
        """The counts; an error if the source did not keep them."""
        if self.counts is None:
            msg = "the block has no counts; make it from a CountsSource with keep_counts=True."
            raise ValueError(msg)
        return self.counts

    def velocity(
        self,
        gamma: Float64Array,
        offset: Float64Array,
        n_threads: int = 1,
        out: Float32Array | None = None,
    ) -> Float32Array:
        """Return u − γs − o for the genes of the block, float32; NaN if γ is NaN.

        The result is written to `out` if it is given; this may be an array of the block.
        """
        return _off_lines(self.spliced, self.unspliced, (gamma, offset), n_threads, out)

    def deviation(
        self,
        gamma: Float64Array,
        offset: Float64Array,
        n_threads: int = 1,
        out: Float32Array | None = None,
    ) -> Float32Array:
        """Return ũ − γs̃ − o of the counts; see :meth:`velocity`."""
        return _off_lines(*self.kept_counts, (gamma, offset), n_threads, out)

    def by_gene(self, genes: slice) -> tuple[Float32Array, Float32Array]:
        """Return Ms and Mu of some genes as (genes, cells), in the order of the cells."""
        return by_gene(self.spliced, genes, self.order), by_gene(self.unspliced, genes, self.order)

    def write(
        self, layer: Float32Array, genes: IntArray, values: Float32Array, n_threads: int = 1
    ) -> None:
        """Write values of the block to columns of a layer, in the order of the cells."""
        work = partial(write_columns, values, self.order.row_of_cell, genes, layer)
        for_rows(work, len(layer), n_threads)


def _off_lines(
    spliced: Float32Array,
    unspliced: Float32Array,
    lines: tuple[Float64Array, Float64Array],
    n_threads: int,
    out: Float32Array | None,
) -> Float32Array:
    result = np.empty_like(unspliced) if out is None else out
    work = partial(residual_rows, spliced, unspliced, *lines, result)
    for_rows(work, len(result), n_threads)
    return result


@dataclass(frozen=True, eq=False)
class MomentSource(ABC):
    """A source of gene blocks.

    A block depends on the source and the genes only. So blocks can be made in any order, and in any
    process that has the source.

    Attributes
    ----------
    spliced, unspliced
        Cells × genes, in any format; they are not changed.
    genes
        Chosen columns, ascending.
    order
        Order of the rows of all blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> spliced = np.array([[1.0, 4.0, 2.0], [3.0, 2.0, 2.0]])
    >>> order = engine.CellOrder.identity(2)
    >>> source: engine.MomentSource = engine.LayerSource(spliced, spliced, np.arange(3), order)
    >>> [block.genes.tolist() for block in source.blocks(genes_per_block=2)]
    [[0, 1], [2]]
    """

    spliced: Matrix
    unspliced: Matrix
    genes: IntArray
    order: CellOrder

    def __post_init__(self) -> None:
        for name in ("spliced", "unspliced"):
            object.__setattr__(self, name, readable(getattr(self, name)))

    @property
    def n_genes(self) -> int:
        """Number of chosen genes."""
        return len(self.genes)

    def blocks(
        self,
        genes_per_block: int,
        n_threads: int = 1,
        progress: Progress | None = None,
        gene_order: IntArray | None = None,
    ) -> Iterator[MomentBlock]:
        """Make one block after the other; the next block overwrites its arrays.

        Genes that follow each other in `gene_order` are in one block; by default, this is the order
        of the source. After the use of each block, `progress` is called with the share done, in
        (0, 1].
        """
        scratch = Scratch()
        genes = np.arange(self.n_genes) if gene_order is None else gene_order
        for start in range(0, self.n_genes, genes_per_block):
            stop = min(start + genes_per_block, self.n_genes)
            yield self.block(np.sort(genes[start:stop]), n_threads, scratch)
            if progress is not None:
                progress(stop / self.n_genes)

    @abstractmethod
    def block(
        self, genes: slice | IntArray, n_threads: int = 1, scratch: Scratch | None = None
    ) -> MomentBlock:
        """Make the block of some of the chosen genes, given by their places, ascending."""


@dataclass(frozen=True, eq=False)
class CountsSource(MomentSource):
    """Counts, size factors and neighbours; every block is smoothed when it is made.

    Attributes
    ----------
    spliced_scale, unspliced_scale
        Factors by which a cell's counts are multiplied: 1 / size factor, shape (cells,).
    smoothing
        The operator W between rows that are in `order`.
    keep_counts
        Whether blocks also have the counts before smoothing.
    smooth
        Whether counts are smoothed. If not, the abundances of a block are the counts.
    in_float32
        Whether means are summed in float32 in the order of the neighbours. They then equal scVelo's
        to the last bit, but depend on the order of the cells.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> counts, order = np.array([[0, 4], [2, 4], [4, 1]]), engine.CellOrder.identity(3)
    >>> smoothing = engine.SmoothingOperator.from_connectivities(np.ones((3, 3)))
    >>> scales = np.ones((2, 3))
    >>> source = engine.CountsSource(counts, counts, np.arange(2), order, *scales, smoothing)
    >>> source.block(slice(0, 2)).spliced[0]
    array([2., 3.], dtype=float32)
    """

    spliced_scale: Float64Array
    unspliced_scale: Float64Array
    smoothing: SmoothingOperator
    keep_counts: bool = False
    smooth: bool = True
    in_float32: bool = False

    def block(
        self, genes: slice | IntArray, n_threads: int = 1, scratch: Scratch | None = None
    ) -> MomentBlock:
        """Make the block of some of the chosen genes, given by their places, ascending."""
        kept = Scratch() if scratch is None else scratch
        genes = np.arange(self.n_genes)[genes]

        def smoothed(
            name: str, layer: Matrix, scale: Float64Array
        ) -> tuple[Float32Array, Float32Array]:
            counts = block_of_columns(
                layer,
                self.genes[genes],
                scale=scale,
                order=self.order,
                n_threads=n_threads,
                scratch=kept,
                name=f"{name} counts" if self.keep_counts else "counts",
            )
            if not self.smooth:
                return counts, counts
            out = kept.array(name, counts.shape, np.float32)
            return counts, self.smoothing.apply(counts, n_threads, out, in_float32=self.in_float32)

        spliced_counts, spliced = smoothed("spliced", self.spliced, self.spliced_scale)
        unspliced_counts, unspliced = smoothed("unspliced", self.unspliced, self.unspliced_scale)
        counts = (spliced_counts, unspliced_counts) if self.keep_counts else None
        return MomentBlock(genes, self.order, spliced, unspliced, counts)


@dataclass(frozen=True, eq=False)
class LayerSource(MomentSource):
    """Layers that already exist.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> spliced = np.array([[1.0, 4.0, 2.0], [3.0, 2.0, 2.0]])
    >>> order = engine.CellOrder.identity(2)
    >>> source = engine.LayerSource(spliced, 0.5 * spliced, np.array([1, 2]), order)
    >>> source.block(slice(0, 1)).unspliced
    array([[2.],
           [1.]], dtype=float32)
    """

    def block(
        self, genes: slice | IntArray, n_threads: int = 1, scratch: Scratch | None = None
    ) -> MomentBlock:
        """Make the block of some of the chosen genes, given by their places, ascending."""
        genes = np.arange(self.n_genes)[genes]
        columns = partial(
            block_of_columns,
            columns=self.genes[genes],
            order=self.order,
            n_threads=n_threads,
            scratch=scratch,
        )
        spliced, unspliced = columns(self.spliced, name="s"), columns(self.unspliced, name="u")
        return MomentBlock(genes, self.order, spliced, unspliced)
