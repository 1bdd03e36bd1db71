"""Instruments that are kept from the pass over all genes in which they were computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ._kernels import _line_influences as kernels
from ._scratch import Scratch
from ._threads import for_genes, in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import Instruments
    from steadyvelo.model._typing import Float32Array, IntArray

    from ._moment_source import MomentBlock
    from ._order import CellOrder
    from ._uncertainty import Uncertainty

__all__ = ["KeptInstruments"]

_GENES_PER_TASK = 16


@dataclass(eq=False)
class KeptInstruments:
    """Instruments of lines through the origin, of cells that have counts of the gene.

    These are all that influence a line. They need a small part of the memory of all instruments.

    Attributes
    ----------
    order
        Order of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> kept = engine.KeptInstruments(engine.CellOrder.identity(3))
    >>> kept.has(np.array([0, 1]))
    False
    """

    order: CellOrder
    _columns: dict[int, tuple[NDArray[np.int32], Float32Array]] = field(
        default_factory=dict, init=False
    )
    _scratch: Scratch = field(default_factory=Scratch, init=False)

    def add(self, block: MomentBlock, genes: IntArray, made: Instruments, n_threads: int) -> None:
        """Keep the instruments of a block; `genes` are the names under which they are found."""
        arrays = made.h, *block.kept_counts
        sizes = np.empty(len(genes), dtype=np.int64)

        def count(part: slice) -> None:
            kernels.count_known(*arrays, sizes, part.start, part.stop)

        for_genes(count, len(genes), _GENES_PER_TASK, n_threads)
        indptr = np.concatenate([[0], np.cumsum(sizes)])
        indices = np.empty(indptr[-1], dtype=np.int32)
        data = np.empty(indptr[-1], dtype=np.float32)

        def take(part: slice) -> None:
            kernels.take_known(*arrays, indptr, indices, data, part.start, part.stop)

        for_genes(take, len(genes), _GENES_PER_TASK, n_threads)
        for gene, low, high in zip(genes.tolist(), indptr, indptr[1:], strict=False):
            self._columns[gene] = indices[low:high], data[low:high]

    def has(self, genes: IntArray) -> bool:
        """Tell whether the instruments of all these genes are kept."""
        return all(gene in self._columns for gene in genes.tolist())

    def of(
        self, block: MomentBlock, genes: IntArray, uncertainty: Uncertainty, n_threads: int
    ) -> Instruments:
        """Return the instruments of the genes of a block; the next call overwrites them."""
        if not np.array_equal(self.order.cell_of_row, block.order.cell_of_row):
            msg = "the instruments were kept in another order of the cells."
            raise ValueError(msg)
        h = self._scratch.array("h", block.spliced.shape, np.float32)
        h[:] = 0.0
        columns = [self._columns[gene] for gene in genes.tolist()]
        put = [partial(kernels.put_column, *c, place, h) for place, c in enumerate(columns)]
        in_threads(put, n_threads)
        return uncertainty.weighing(block, h, np.zeros((len(h), 0), dtype=np.float32))
