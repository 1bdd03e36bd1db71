"""Expression and velocity of some genes, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray

    from ._category_lines import CategoryLines
    from ._moment_source import MomentBlock, MomentSource
    from ._order import CellOrder
    from ._threads import Progress

__all__ = ["Lines", "Velocities"]


class Lines(NamedTuple):
    """Fitted lines of the genes of a source, each of shape (genes,).

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> lines = engine.Lines(gamma=np.array([0.5, 0.2, 0.1]), offset=np.zeros(3))
    >>> lines.of(slice(1, 3)).gamma
    array([0.2, 0.1])
    """

    gamma: Float64Array
    offset: Float64Array

    def of(self, genes: IntArray) -> Lines:
        """Return the lines of some of the genes."""
        return Lines(self.gamma[genes], self.offset[genes])

    def deviation(
        self, block: MomentBlock, n_threads: int = 1, out: Float32Array | None = None
    ) -> Float32Array:
        """Return ũ − γs̃ − o of the counts of a block; see :meth:`MomentBlock.deviation`."""
        return block.deviation(self.gamma, self.offset, n_threads, out)

    def velocity(
        self, block: MomentBlock, n_threads: int = 1, out: Float32Array | None = None
    ) -> Float32Array:
        """Return the velocities of a block; see :meth:`MomentBlock.velocity`."""
        return block.velocity(self.gamma, self.offset, n_threads, out)


@dataclass(frozen=True, eq=False)
class Velocities:
    """Velocities of some genes.

    Attributes
    ----------
    source
        Smoothed abundances s and u of the genes, or s and v if velocities are stored.
    lines
        Lines from which v is computed; None if v is stored.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> spliced, unspliced = np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]])
    >>> order = engine.CellOrder.identity(2)
    >>> source = engine.LayerSource(spliced, unspliced, np.array([0]), order)
    >>> lines = engine.Lines(gamma=np.array([0.5]), offset=np.zeros(1))
    >>> [velocity.ravel() for _, velocity in engine.Velocities(source, lines).blocks(1)]
    [array([ 0.5, -0.5], dtype=float32)]
    """

    source: MomentSource
    lines: Lines | CategoryLines | None

    @property
    def order(self) -> CellOrder:
        """Order of the rows of all blocks."""
        return self.source.order

    def blocks(
        self, genes_per_block: int, n_threads: int = 1, progress: Progress | None = None
    ) -> Iterator[tuple[Float32Array, Float32Array]]:
        """Yield s and v of one block of genes after the other, float32, shape (cells, genes).

        The arrays are overwritten by the next block.
        """
        for block in self.source.blocks(genes_per_block, n_threads, progress):
            velocity = block.unspliced
            if self.lines is not None:
                # u is overwritten, because it is not needed any more
                velocity = self.lines.of(block.genes).velocity(block, n_threads, velocity)
            yield block.spliced, velocity
