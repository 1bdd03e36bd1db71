"""The neighbours that the genes of one fold have in one split.

A cell's arrow puts two things together: where on the embedding a change of expression points (M_i),
and how far the counts of each neighbour c deviate from the fitted lines (r_c). Made from the same
counts, the noise of these would agree with itself and look like a direction. So each split cuts
genes and cells in two. The neighbours of a cell for the genes of one fold are found from the other
genes. Among them, the cells of one fold give M_i and those of the other, the contributing cells,
give r_c; then the two folds change places. A fold graph holds the neighbours of one fold of genes
and knows which of them lie in which fold of cells.
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

    from ._crossfit import Split
    from ._order import CellOrder
    from ._smoothing import SmoothingOperator

__all__ = ["FoldGraph", "fold_graphs"]


@dataclass(frozen=True, eq=False)
class FoldGraph:
    """Neighbours in one split for the genes of one fold, between rows in an order.

    Attributes
    ----------
    genes
        The fold's genes among those of the source, as a mask.
    graph
        Neighbours of every cell, the cell itself left out.
    means
        Means over the neighbours in each fold of cells.
    cells
        The cells of each fold, as masks.
    """

    genes: BoolArray
    graph: SmoothingOperator
    means: tuple[SmoothingOperator, SmoothingOperator]
    cells: tuple[BoolArray, BoolArray]

    @classmethod
    def of(cls, split: Split, fold: int, order: CellOrder) -> FoldGraph:
        """Make the graph of one fold of genes, with its rows in an order."""
        graph = split.graphs[fold].reordered(order)
        first = split.cell_fold[order.cell_of_row] == 0
        means = graph.without(~first), graph.without(first)
        return cls(split.gene_fold == fold, graph, means, (first, ~first))

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.graph.indices)

    def edges(self) -> tuple[IntArray, IntArray]:
        """Return the row of every edge and the number of each row's edges, 1 where none are."""
        degree = np.diff(self.graph.indptr)
        return np.repeat(np.arange(self.graph.n_cells), degree), np.maximum(degree, 1)

    def n_inside(self, fold: int) -> IntArray:
        """Return how many neighbours of each row lie in a fold of cells."""
        return np.diff(self.means[fold].indptr)

    def share(self, fold: int) -> Float32Array:
        """Return the share of each row's neighbours that lie in a fold of cells."""
        degree = np.maximum(np.diff(self.graph.indptr), 1)
        return np.asarray(self.n_inside(fold) / degree, dtype=np.float32)

    def run(self, kernel: Callable[..., None], *arguments: Any, n_threads: int) -> None:
        """Run a kernel that follows the edges, in threads over the rows."""
        pattern = self.graph.indptr, self.graph.indices
        for_rows(partial(kernel, *pattern, *arguments), self.graph.n_cells, n_threads)


def fold_graphs(splits: list[Split], order: CellOrder) -> list[FoldGraph]:
    """Return the graphs of both folds of genes in every split; a fold without genes has none."""
    return [
        FoldGraph.of(split, fold, order)
        for split in splits
        for fold in (0, 1)
        if (split.gene_fold == fold).any()
    ]
