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

    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, IntArray

    from ._crossfit import Repeat
    from ._order import CellOrder
    from ._ranked_neighbors import RankedNeighbors

__all__ = ["FoldGraph", "FoldGraphs"]


@dataclass(frozen=True, eq=False)
class FoldGraph:
    """Neighbours for the genes of one fold in one repeat, between rows in a given order.

    Attributes
    ----------
    repeat
        Number of the repeat.
    genes
        Mask of the fold's genes among the genes of the source.
    neighbors
        Nearest neighbours of every cell, without the cell itself, with equal weights.
    fold
        Fold of each row's cell, 0 or 1, shape (rows,).
    edges
        Where its edges are among those of all fold graphs.
    """

    repeat: int
    genes: BoolArray
    neighbors: RankedNeighbors
    fold: NDArray[np.int8]
    edges: slice

    def run(self, kernel: Callable[..., None], *arguments: Any, n_threads: int) -> None:
        """Run a kernel on the neighbours, in threads over the rows."""
        pattern = self.neighbors.indptr, self.neighbors.indices
        for_rows(partial(kernel, *pattern, *arguments), self.neighbors.n_cells, n_threads)


@dataclass(frozen=True, eq=False)
class FoldGraphs:
    """The graphs for both folds of genes in every repeat; folds without genes have none.

    Attributes
    ----------
    graphs
        The graphs.
    n_first
        Number of graphs of the first repeat. The noise of the projections and the lengths of steps
        are computed for these, because they are about the same in all repeats.
    """

    graphs: list[FoldGraph]
    n_first: int

    @classmethod
    def of(cls, repeats: list[Repeat], order: CellOrder) -> FoldGraphs:
        """Make the graphs with their rows in an order."""
        folds = [
            (number, repeat, fold, repeat.graph(fold, for_directions=True))
            for number, repeat in enumerate(repeats)
            for fold in (0, 1)
            if (repeat.gene_fold == fold).any()
        ]
        graphs: list[FoldGraph] = []
        for number, repeat, fold, graph in folds:
            nearest = graph.reordered(order).nearest_alone()
            cell_fold = repeat.cell_fold[order.cell_of_row]
            first = graphs[-1].edges.stop if graphs else 0
            edges = slice(first, first + len(nearest.indices))
            genes = repeat.gene_fold == fold
            graphs.append(FoldGraph(number, genes, nearest, cell_fold, edges))
        n_first = sum(number == 0 for number, _, _, _ in folds)
        return cls(graphs, n_first)

    @property
    def n_edges(self) -> int:
        """Number of edges of all graphs."""
        return self.graphs[-1].edges.stop if self.graphs else 0

    def of_rows(
        self, contributions: Float32Array, start: int, stop: int
    ) -> tuple[IntArray, NDArray[np.int32], Float32Array]:
        """Return the edges of some rows in all graphs.

        These are the first edge of each row in every graph, shape (graphs, rows + 1), the rows at
        which edges end, and values of the edges, which are given for all edges.
        """
        starts, indices, values, n_before = [], [], [], 0
        for graph in self.graphs:
            indptr = graph.neighbors.indptr[start : stop + 1]
            first, last = int(indptr[0]), int(indptr[-1])
            starts.append(indptr - first + n_before)
            indices.append(graph.neighbors.indices[first:last])
            values.append(contributions[graph.edges][first:last])
            n_before += last - first
        return np.stack(starts), np.concatenate(indices), np.concatenate(values)
