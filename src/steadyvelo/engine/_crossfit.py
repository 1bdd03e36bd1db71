r"""Errors from instruments of other cells and other genes.

Instruments that are made of the counts they weigh know too much: a cell with many unspliced
molecules by chance is more often among the extreme ones, and a cell's neighbours are those that
share its noise. That biases γ and its error. So genes and cells are cut in two. Neighbours for the
genes of one half are found from the genes of the other. For the cells c of one half, smoothed
values a and weights m come from the cells of the other, and

.. math:: h_c = \sum_i W_{ic} m_i a_i, \qquad h^0_c = \sum_i W_{ic} m_i

share no count with :math:`\tilde u_c` and :math:`\tilde s_c`. Instruments are averaged over several
cuts, and then γ is estimated once. (Averages of intervals cover too much.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ._kernels._gather import place_rows
from ._kernels._spreading import add_columns
from ._moment_source import by_gene
from ._spreading import Spreading
from ._threads import for_rows, gene_slices, in_threads
from ._uncertainty import Uncertainty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import Instruments
    from steadyvelo.model._typing import Float32Array, IntArray

    from ._fit_rule import FitRule
    from ._moment_source import MomentBlock
    from ._smoothing import SmoothingOperator

__all__ = ["CrossFit", "Split"]

_GENES_PER_TASK = 16


@dataclass(frozen=True, eq=False)
class Split:
    """One way to cut genes and cells in two.

    Attributes
    ----------
    gene_fold
        0 or 1 for each gene of the source, shape (genes,).
    cell_fold
        0 or 1 for each cell, shape (cells,).
    graphs
        The operator W between cells for the genes of fold 0 and of fold 1, each made without
        these genes.
    """

    gene_fold: NDArray[np.int8]
    cell_fold: NDArray[np.int8]
    graphs: tuple[SmoothingOperator, SmoothingOperator]


@dataclass(frozen=True, eq=False)
class CrossFit(Uncertainty):
    """Instruments that share no count with what they weigh, averaged over splits.

    Attributes
    ----------
    splits
        Ways to cut genes and cells in two.
    """

    splits: list[Split]

    replaces_fit: ClassVar[bool] = True
    tests_offset: ClassVar[bool] = True

    def instruments(
        self,
        block: MomentBlock,
        rules: list[FitRule],
        weights: list[NDArray[np.generic]] | None = None,  # noqa: ARG002
        n_threads: int = 1,
    ) -> list[Instruments]:
        """Return the instruments of all genes of a block; see :class:`Uncertainty`.

        The ordinary fits have no part in them.
        """
        h, h0 = np.zeros((2, len(rules), *block.spliced.shape), dtype=np.float32)
        for split in self.splits:
            for fold in (0, 1):
                columns = np.flatnonzero(split.gene_fold[block.genes] == fold)
                if len(columns) > 0:
                    genes = _FoldOfGenes(block, rules, split.graphs[fold], columns)
                    genes.add(split.cell_fold, h, h0, n_threads)
        h /= len(self.splits)
        h0 /= len(self.splits)
        return [self._weighing(block, *of_rule) for of_rule in zip(h, h0, strict=True)]


@dataclass(frozen=True, eq=False)
class _FoldOfGenes:
    """The genes of one fold in a block, and the neighbours that cells have for them."""

    block: MomentBlock
    rules: list[FitRule]
    graph: SmoothingOperator
    columns: IntArray

    def add(
        self, cell_fold: NDArray[np.int8], h: Float32Array, h0: Float32Array, n_threads: int
    ) -> None:
        """Add to the instruments of all cells what cells of the other fold say.

        Parameters
        ----------
        cell_fold
            0 or 1 for each cell, shape (cells,).
        h, h0
            Sums over splits, shape (rules, rows, genes of the block).
        n_threads
            Number of threads.
        """
        order = self.block.order
        counts = [values[:, self.columns] for values in self.block.kept_counts]
        shape = counts[0].shape
        weights = [np.empty(shape, dtype=rule.weights_dtype) for rule in self.rules]
        given, given0, received = np.empty((3, *shape), dtype=np.float32)
        graph = self.graph.reordered(order)
        parts = gene_slices(len(self.columns), _GENES_PER_TASK)
        for cells in (0, 1):
            responders = cell_fold[order.cell_of_row] == cells
            others = graph.without(responders)
            moments = [others.apply(values, n_threads) for values in counts]
            in_threads([partial(self._weigh, moments, weights, part) for part in parts], n_threads)
            spreading = Spreading.transposing(graph, responders)
            for of_rule, *totals in zip(weights, h, h0, strict=True):
                spreading.weigh(moments[0], of_rule, given, given0, n_threads)
                for values, total in zip((given, given0), totals, strict=True):
                    spreading.received(values, n_threads, received)
                    add = partial(add_columns, received, self.columns, total)
                    for_rows(add, len(total), n_threads)

    def _weigh(self, moments: list[Float32Array], weights: list[NDArray[Any]], part: slice) -> None:
        """Write the weights of cells in the fits of some genes, under every rule."""
        order = self.block.order
        spliced, unspliced = (by_gene(values, part, order) for values in moments)
        places = self.block.genes.start + self.columns[part]
        for rule, out in zip(self.rules, weights, strict=True):
            place_rows(rule.weigh(spliced, unspliced, places), order.row_of_cell, out[:, part])
