"""Where gene blocks come from: counts smoothed on the fly, or layers that exist."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._gather import block_of_columns, readable
from ._kernels._gather import transpose
from ._kernels._velocity import residual_rows
from ._scratch import Scratch
from ._threads import for_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray, Matrix

    from ._order import CellOrder
    from ._smoothing import SmoothingOperator

__all__ = ["CountsSource", "LayerSource", "MomentBlock", "MomentSource"]


@dataclass(frozen=True, eq=False)
class MomentBlock:
    """Smoothed abundances of some genes.

    Attributes
    ----------
    genes
        Places of the genes among the genes of the source.
    order
        The cell of each row.
    spliced, unspliced
        Ms and Mu, float32, shape (cells, genes of the block), a cell's values contiguous.
    """

    genes: slice
    order: CellOrder
    spliced: Float32Array
    unspliced: Float32Array

    def velocity(
        self,
        gamma: Float64Array,
        offset: Float64Array,
        n_threads: int = 1,
        out: Float32Array | None = None,
    ) -> Float32Array:
        """Return u − γs − o for the genes of the block, float32; NaN where γ is.

        Written to `out` where it is given, which may be the block's own array.
        """
        result = np.empty_like(self.unspliced) if out is None else out
        lines = gamma.astype(np.float32), offset.astype(np.float32)

        def work(start: int, stop: int) -> None:
            residual_rows(self.spliced, self.unspliced, *lines, result, start, stop)

        for_rows(work, len(result), n_threads)
        return result

    def by_gene(self, genes: slice) -> tuple[Float32Array, Float32Array]:
        """Return Ms and Mu of some genes of the block, shape (genes, cells) in the cells' order."""

        def turned(values: Float32Array) -> Float32Array:
            columns = values[:, genes]
            out = np.empty(columns.shape[::-1], dtype=np.float32)
            transpose(columns, self.order.order, out)
            return out

        return turned(self.spliced), turned(self.unspliced)

    def write(self, layer: Float32Array, genes: IntArray, values: Float32Array) -> None:
        """Write values of the block into some columns of a layer whose rows are the cells."""
        if len(genes) == genes[-1] + 1 - genes[0]:
            layer[self.order.order, genes[0] : genes[-1] + 1] = values
        else:
            layer[np.ix_(self.order.order, genes)] = values


@dataclass(frozen=True, eq=False)
class MomentSource(ABC):
    """What gene blocks are made of.

    A block is a pure function of the source and the genes: blocks can be made in any order,
    and in any process that holds the source.

    Attributes
    ----------
    spliced, unspliced
        Cells × genes, in any format; never changed.
    genes
        Chosen columns, ascending.
    order
        Order of the rows of all blocks.
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

    def blocks(self, genes_per_block: int, n_threads: int = 1) -> Iterator[MomentBlock]:
        """Make one block after the other; its arrays are used again for the next."""
        scratch = Scratch()
        for start in range(0, self.n_genes, genes_per_block):
            genes = slice(start, min(start + genes_per_block, self.n_genes))
            yield self.block(genes, n_threads, scratch)

    @abstractmethod
    def block(
        self, genes: slice, n_threads: int = 1, scratch: Scratch | None = None
    ) -> MomentBlock:
        """Make the block of some of the chosen genes."""


@dataclass(frozen=True, eq=False)
class CountsSource(MomentSource):
    """Counts, size factors and neighbours; every block is smoothed when it is asked for.

    Attributes
    ----------
    spliced_scale, unspliced_scale
        What a cell's counts are multiplied with: 1 / size factor, shape (cells,).
    smoothing
        The operator W between rows that stand in `order`.
    """

    spliced_scale: Float64Array
    unspliced_scale: Float64Array
    smoothing: SmoothingOperator

    def block(
        self, genes: slice, n_threads: int = 1, scratch: Scratch | None = None
    ) -> MomentBlock:
        """Make the block of some of the chosen genes."""
        kept = Scratch() if scratch is None else scratch

        def smoothed(name: str, counts: Matrix, scale: Float64Array) -> Float32Array:
            values = block_of_columns(
                counts,
                self.genes[genes],
                scale=scale,
                order=self.order,
                n_threads=n_threads,
                scratch=kept,
                name="counts",
            )
            out = kept.array(name, values.shape, np.float32)
            return self.smoothing.apply(values, n_threads, out)

        return MomentBlock(
            genes,
            self.order,
            smoothed("spliced", self.spliced, self.spliced_scale),
            smoothed("unspliced", self.unspliced, self.unspliced_scale),
        )


@dataclass(frozen=True, eq=False)
class LayerSource(MomentSource):
    """Smoothed layers that exist already."""

    def block(
        self, genes: slice, n_threads: int = 1, scratch: Scratch | None = None
    ) -> MomentBlock:
        """Make the block of some of the chosen genes."""

        def columns(name: str, layer: Matrix) -> Float32Array:
            return block_of_columns(
                layer,
                self.genes[genes],
                order=self.order,
                n_threads=n_threads,
                scratch=scratch,
                name=name,
            )

        spliced = columns("spliced", self.spliced)
        return MomentBlock(genes, self.order, spliced, columns("unspliced", self.unspliced))
