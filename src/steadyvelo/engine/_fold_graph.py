"""The neighbour graph for the genes of one fold in one repeat.

A cell's arrow combines two quantities: the projection M_i, which maps a change of expression to the
embedding, and the deviations r_c of the counts of each neighbour c from the fitted lines. If both
were computed from the same counts, their noise would be correlated and look like a direction. So
each repeat divides genes and cells into two folds each. The neighbours of a cell for the genes of
one fold are found from the other genes. Among these neighbours, the cells of one fold give M_i, and
those of the other, the contributing cells, give r_c; then the two folds are exchanged. A fold graph
has the neighbours for one fold of genes, and the fold of each cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ._threads import for_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from steadyvelo.model._typing import BoolArray, Float32Array, IntArray

    from ._crossfit import Repeat
    from ._order import CellOrder
    from ._smoothing import SmoothingOperator

__all__ = ["FoldGraph", "fold_graphs"]


@dataclass(frozen=True, eq=False)
class FoldGraph:
    """Neighbours for the genes of one fold in one repeat, between rows in a given order.

    Attributes
    ----------
    genes
        Mask of the fold's genes among the genes of the source.
    graph
        Neighbours of every cell, without the cell itself.
    means
        Operators for means over the neighbours in each fold of cells.
    cells
        Masks of the cells of each fold.
    """

    genes: BoolArray
    graph: SmoothingOperator
    means: tuple[SmoothingOperator, SmoothingOperator]
    cells: tuple[BoolArray, BoolArray]

    @classmethod
    def of(cls, repeat: Repeat, fold: int, order: CellOrder) -> FoldGraph:
        """Make the graph for one fold of genes, with its rows in an order."""
        graph = repeat.graphs[fold].equal_means().reordered(order)
        first = repeat.cell_fold[order.cell_of_row] == 0
        means = graph.without(~first), graph.without(first)
        return cls(repeat.gene_fold == fold, graph, means, (first, ~first))

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.graph.indices)

    def edges(self) -> tuple[IntArray, IntArray]:
        """Return the row of every edge, and the number of edges of each row, at least 1."""
        degree = np.diff(self.graph.indptr)
        return np.repeat(np.arange(self.graph.n_cells), degree), np.maximum(degree, 1)

    def n_inside(self, fold: int) -> IntArray:
        """Return the number of each row's neighbours in a fold of cells."""
        return np.diff(self.means[fold].indptr)

    def share(self, fold: int) -> Float32Array:
        """Return the share of each row's neighbours in a fold of cells."""
        degree = np.maximum(np.diff(self.graph.indptr), 1)
        return np.asarray(self.n_inside(fold) / degree, dtype=np.float32)

    def run(self, kernel: Callable[..., None], *arguments: Any, n_threads: int) -> None:
        """Run a kernel on the edges, in threads over the rows."""
        pattern = self.graph.indptr, self.graph.indices
        for_rows(partial(kernel, *pattern, *arguments), self.graph.n_cells, n_threads)


def fold_graphs(repeats: list[Repeat], order: CellOrder) -> list[FoldGraph]:
    """Return the graphs for both folds of genes in every repeat; folds without genes have none."""
    return [
        FoldGraph.of(repeat, fold, order)
        for repeat in repeats
        for fold in (0, 1)
        if (repeat.gene_fold == fold).any()
    ]
