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

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ._threads import for_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, IntArray

    from ._crossfit import Repeat
    from ._order import CellOrder
    from ._ranked_neighbors import RankedNeighbors

__all__ = ["FoldGraph", "FoldGraphs"]


@dataclass(frozen=True, eq=False)
class FoldGraph:
    """Neighbours for the genes of one fold in one repeat, between rows in a given order.

    Attributes
    ----------
    genes
        Mask of the fold's genes among the genes of the source.
    neighbors
        Nearest neighbours of every cell, without the cell itself, with equal weights.
    fold
        Fold of each row's cell, 0 or 1, shape (rows,).
    edges
        Where its edges are among those of all fold graphs.
    """

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
    indptr, indices
        First edge of each row in every graph, shape (graphs, rows + 1), and the rows at which the
        edges end.
    n_first
        Number of graphs of the first repeat. The noise of the projections is computed for these,
        because it is about the same in all repeats.
    """

    graphs: list[FoldGraph]
    indptr: IntArray
    indices: NDArray[np.int32]
    n_first: int

    @classmethod
    def of(cls, repeats: list[Repeat], order: CellOrder) -> FoldGraphs:
        """Make the graphs with their rows in an order."""
        folds = [
            (repeat, fold, repeat.graph(fold, for_directions=True))
            for repeat in repeats
            for fold in (0, 1)
            if (repeat.gene_fold == fold).any()
        ]
        sizes = [graph.n_nearest_edges for _, _, graph in folds]
        ends = np.concatenate([[0], np.cumsum(sizes)])
        indices = np.empty(ends[-1], dtype=np.int32)
        starts, graphs = [], []
        for (repeat, fold, graph), first, last in zip(folds, ends, ends[1:], strict=False):
            nearest = graph.reordered(order).nearest_alone()
            indices[first:last] = nearest.indices
            kept = replace(nearest, indices=indices[first:last])
            starts.append(nearest.indptr + first)
            cell_fold = repeat.cell_fold[order.cell_of_row]
            edges = slice(int(first), int(last))
            graphs.append(FoldGraph(repeat.gene_fold == fold, kept, cell_fold, edges))
        n_first = sum(repeat is repeats[0] for repeat, _, _ in folds)
        return cls(graphs, np.stack(starts), indices, n_first)
