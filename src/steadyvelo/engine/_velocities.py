"""Expression and velocity of some genes, block by block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ._gather import block_of_columns, readable
from ._scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray, Matrix

    from ._moment_source import MomentSource
    from ._order import CellOrder
    from ._threads import Progress

__all__ = ["MomentVelocities", "StoredVelocities", "Velocities", "VelocityBlock"]


class VelocityBlock(NamedTuple):
    """Some genes of all cells; rows stand in the order of the velocities.

    Attributes
    ----------
    expression, velocity
        Smoothed spliced abundances x and velocities v, float32, shape (cells, genes).
    """

    expression: Float32Array
    velocity: Float32Array


@dataclass(frozen=True, eq=False)
class Velocities(ABC):
    """Velocities of some genes.

    Attributes
    ----------
    genes
        Places of the genes in the data.
    order
        Order of the rows of all blocks.
    """

    genes: IntArray
    order: CellOrder

    def blocks(
        self, genes_per_block: int, n_threads: int = 1, progress: Progress | None = None
    ) -> Iterator[VelocityBlock]:
        """Yield one block after the other; its arrays are used again for the next."""
        scratch, n_genes = Scratch(), len(self.genes)
        for start in range(0, n_genes, genes_per_block):
            genes = slice(start, min(start + genes_per_block, n_genes))
            yield self.block(genes, n_threads, scratch)
            if progress is not None:
                progress(genes.stop / n_genes)

    @abstractmethod
    def block(self, genes: slice, n_threads: int, scratch: Scratch) -> VelocityBlock:
        """Return some of the genes."""


@dataclass(frozen=True, eq=False)
class MomentVelocities(Velocities):
    """Velocities made of smoothed abundances and fitted lines.

    Attributes
    ----------
    moments
        Smoothed abundances of the genes.
    gamma, offset
        Lines of the genes, shape (genes,).
    """

    moments: MomentSource
    gamma: Float64Array
    offset: Float64Array

    def block(self, genes: slice, n_threads: int, scratch: Scratch) -> VelocityBlock:
        """Return some of the genes; velocities are written where u was, which nothing needs."""
        block = self.moments.block(genes, n_threads, scratch)
        lines = self.gamma[genes], self.offset[genes]
        velocity = block.velocity(*lines, n_threads, out=block.unspliced)
        return VelocityBlock(block.spliced, velocity)


@dataclass(frozen=True, eq=False)
class StoredVelocities(Velocities):
    """Velocities that are stored beside smoothed spliced abundances.

    Attributes
    ----------
    expression, velocity
        Layers, cells × all genes of the data, in any format.
    """

    expression: Matrix
    velocity: Matrix

    def __post_init__(self) -> None:
        for name in ("expression", "velocity"):
            object.__setattr__(self, name, readable(getattr(self, name)))

    def block(self, genes: slice, n_threads: int, scratch: Scratch) -> VelocityBlock:
        """Return some of the genes."""
        made = [
            block_of_columns(
                layer,
                self.genes[genes],
                order=self.order,
                n_threads=n_threads,
                scratch=scratch,
                name=name,
            )
            for name, layer in (("expression", self.expression), ("velocity", self.velocity))
        ]
        return VelocityBlock(*made)
