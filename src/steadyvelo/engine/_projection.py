"""The projection M_i of every cell: the direction on an embedding of a change of expression.

The neighbours j of cell i lie in directions d_ij on the embedding (unit vectors), and differ from i
in expression by steps δ̃_ij, centred over genes. A change v of expression is more similar to some
of these steps than to others. The arrow is the mean of the directions, each weighted by the
component of v along its step:

    M_i v,   M_i = mean_j (d_ij − d̄_i) δ̃_ijᵀ / √(mean_j ‖δ̃_ij‖²)

This is linear in v. So the arrow of a mean of velocities is the mean of their arrows, and both are
sums over genes. The mean direction d̄_i is subtracted, so that the arrow does not point to where
most neighbours are. The length in the denominator is the same for all edges of a cell and all fold
graphs. If the length of each edge were used, which contains noise, M would be biased. It only
scales the arrow of a cell, so the genes with the most molecules and the graphs of the first repeat
are enough for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ._kernels import _projection as kernels
from ._kernels._fold_means import fold_means
from ._kernels._gather import put_columns
from ._products import weighted_column_sums, weighted_row_sums
from ._scratch import Scratch
from ._threads import for_rows

if TYPE_CHECKING:
    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, IntArray

    from ._fold_graph import FoldGraph, FoldGraphs
    from ._moment_source import CountsSource
    from ._threads import Progress

__all__ = ["Projection", "projections_of"]

_LENGTH_GENES = 500


@dataclass(frozen=True, eq=False)
class Projection:
    """Projections M of all cells for the genes of one fold in one repeat.

    M_ig = Σ_j w_ij δ̃_ijg − b_i, where δ̃ is not centred over genes, and w are unit vectors on the
    embedding, centred and divided by the number of neighbours, times the cell's weight.

    Attributes
    ----------
    fold_graph
        Neighbours j of every cell.
    embedding
        Coordinates, float64, shape (rows, dimensions).
    weights
        1 / (length in expression × number of repeats), shape (rows,).
    shifts
        b: the correction for centring δ̃ over genes, for the means over each fold of cells, shape
        (folds, rows, dimensions).
    """

    fold_graph: FoldGraph
    embedding: Float64Array
    weights: Float64Array
    shifts: Float64Array

    def add_noise(
        self, along: Float32Array, chance: Float64Array, out: Float64Array, n_threads: int
    ) -> None:
        r"""Add the covariance of every arrow that is due to the noise in M.

        Cell c has a known weight :math:`k_{ic}` in M_i. The variance of its counts along the
        velocity is estimated from the neighbours: :math:`\sum_c k_{ic} k_{ic}^\top
        \operatorname{Var}_{j \in N(i)}(\tilde s_j \cdot v_i)`, minus the part of this variance that
        is due to the noise of the velocity. `along` is the noise of the counts at the end of every
        edge multiplied by the velocity, (edges,). `chance` is the part of its variance that is due
        to the noise of that velocity, (folds, rows).
        """
        given = self.fold_graph.fold, self.embedding, self.weights, along, chance, out
        self.fold_graph.run(kernels.add_noise_of_projection, *given, n_threads=n_threads)


def projections_of(
    source: CountsSource,
    fold_graphs: FoldGraphs,
    embedding: Float64Array,
    n_repeats: int,
    *,
    genes_per_block: int,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> list[Projection]:
    """Return the projection of every fold graph; their sum gives arrows as means over repeats.

    The embedding has the shape (rows, dimensions).
    """
    graphs = fold_graphs.graphs
    first = graphs[: fold_graphs.n_first]
    chosen = _most_abundant(source, n_threads)
    sample = replace(source, genes=source.genes[chosen], smooth=False)
    in_sample = [graph.genes[chosen] for graph in first]
    squares, scratch = np.zeros((len(first), len(embedding))), Scratch()
    for block in sample.blocks(genes_per_block, n_threads, progress):
        spliced, _ = block.kept_counts
        for graph, genes, square in zip(first, in_sample, squares, strict=True):
            columns = np.flatnonzero(genes[block.genes])
            if len(columns) == 0:
                continue
            shape = len(spliced), len(columns)
            counts = scratch.array("counts", (shape[0], 1, shape[1]), np.float32)
            for_rows(partial(put_columns, spliced, columns, counts, 0), len(counts), n_threads)
            means = scratch.array("means", (shape[0], 2, shape[1]), np.float32)
            graph.run(fold_means, graph.fold, counts, 0, means, n_threads=n_threads)
            for fold in (0, 1):
                graph.run(kernels.add_step_squares, means, fold, square, n_threads=n_threads)
    totals = _totals(source, [graph.genes for graph in graphs], n_threads)
    for number, graph in enumerate(first):
        for mean in _means(graph, totals[:, number], n_threads):
            common = mean, int(graph.genes.sum()), squares[number]
            graph.run(kernels.subtract_common_steps, *common, n_threads=n_threads)
    # over both folds of cells
    length = np.sqrt(np.maximum(squares / 2, 0.0).mean(axis=0))
    weights = np.divide(1 / n_repeats, length, out=np.zeros_like(length), where=length > 0)
    made = []
    for number, graph in enumerate(graphs):
        shifts = _shifts(graph, embedding, weights, totals[:, number], n_threads)
        made.append(Projection(graph, embedding, weights, shifts))
    return made


def _shifts(
    graph: FoldGraph,
    embedding: Float64Array,
    weights: Float64Array,
    totals: Float64Array,
    n_threads: int,
) -> Float64Array:
    """Return the correction for centring over genes, from the sums of rows over the genes."""
    shifts = np.empty((2, *embedding.shape))
    for mean, shift in zip(_means(graph, totals, n_threads), shifts, strict=True):
        given = embedding, weights, mean, int(graph.genes.sum()), shift
        graph.run(kernels.row_shifts, *given, n_threads=n_threads)
    return shifts


def _most_abundant(source: CountsSource, n_threads: int) -> IntArray:
    """Return the places of the genes with the most spliced molecules, in ascending order.

    Steps of other genes are short: they hardly change the length of steps over all genes.
    """
    if source.n_genes <= _LENGTH_GENES:
        return np.arange(source.n_genes)
    total = weighted_column_sums(source.spliced, source.spliced_scale, n_threads)[source.genes]
    return np.sort(np.argsort(-total, kind="stable")[:_LENGTH_GENES])


def _totals(source: CountsSource, masks: list[BoolArray], n_threads: int) -> Float64Array:
    """Return the sum of every row's spliced counts over some genes, shape (rows, masks)."""
    chosen = np.zeros((source.spliced.shape[1], len(masks)))
    chosen[source.genes] = np.stack(masks, axis=1)
    sums = weighted_row_sums(source.spliced, chosen, n_threads) * source.spliced_scale[:, None]
    return np.asarray(sums[source.order.cell_of_row])


def _means(
    graph: FoldGraph, values: Float64Array, n_threads: int
) -> tuple[Float64Array, Float64Array]:
    """Return the means of values of rows over the neighbours in each fold of cells."""
    first, second = np.empty((2, len(values)))
    for fold, mean in enumerate((first, second)):
        graph.run(kernels.mean_values, graph.fold == fold, values, mean, n_threads=n_threads)
    return first, second
