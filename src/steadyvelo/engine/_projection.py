"""The projection M_i of every cell: the direction on an embedding of a change of expression.

The neighbours j of cell i lie in directions d_ij on the embedding (unit vectors), and differ from i
in expression by steps δ̃_ij, centred over genes. A change v of expression is more similar to some
of these steps than to others. The arrow is the mean of the directions, each weighted by the
component of v along its step:

    M_i v,   M_i = mean_j (d_ij − d̄_i) δ̃_ijᵀ / √(mean_j ‖δ̃_ij‖²)

This is linear in v. So the arrow of a mean of velocities is the mean of their arrows, and both are
sums over genes. The mean direction d̄_i is subtracted, so that the arrow does not point to where
most neighbours are. The length in the denominator is the same for all edges of a cell and all fold
graphs. If the length of each edge were used, which contains noise, M would be biased. The length
needs all genes. So a first pass over the gene blocks sums Σ_g δ̃ and Σ_g δ̃² along every edge
(:func:`edge_steps`), M is computed from these sums (:class:`Projection`), and a second pass applies
it to gene blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._kernels._direction import add_edge_steps, projection_rows, projection_weights

if TYPE_CHECKING:
    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray

    from ._fold_graph import FoldGraph

__all__ = ["Projection", "edge_steps", "projections_of"]


def edge_steps(fold_graph: FoldGraph, spliced: Float32Array, n_threads: int = 1) -> Float64Array:
    """Return Σ_g δ̃ and Σ_g δ̃² of the means over each fold of cells, shape (2, folds, edges).

    `spliced` has the counts of some genes of the fold, shape (rows, genes). Results of different
    genes can be added.
    """
    steps = np.zeros((2, 2, fold_graph.n_edges))
    for means, sums, squares in zip(fold_graph.means, *steps, strict=True):
        smoothed = means.apply(spliced, n_threads)
        fold_graph.run(add_edge_steps, smoothed, sums, squares, n_threads=n_threads)
    return steps


@dataclass(frozen=True, eq=False)
class Projection:
    """Projections M of all cells for the genes of one fold in one repeat.

    M_ig = Σ_j w_ij δ̃_ijg − b_i, where δ̃ is not centred over genes.

    Attributes
    ----------
    fold_graph
        Neighbours j of every cell.
    steps
        w: centred unit vectors on the embedding, divided by the number of neighbours, the number of
        repeats and the length in expression, shape (edges, dimensions).
    shifts
        b: the correction for centring δ̃ over genes, for the means over each fold of cells, each of
        shape (rows, dimensions).
    """

    fold_graph: FoldGraph
    steps: Float32Array
    shifts: tuple[Float32Array, Float32Array]

    @classmethod
    def of(
        cls,
        fold_graph: FoldGraph,
        sums: Float64Array,
        embedding: Float64Array,
        weight: Float64Array,
    ) -> Projection:
        """Compute it from Σ_g δ̃ over all genes and a weight for the unit vectors of each row."""
        own, degree = fold_graph.edges()
        steps = _displacements(fold_graph, embedding) * weight[own, None]

        def shift(sums: Float64Array) -> Float32Array:
            mean = sums / int(fold_graph.genes.sum())
            columns = [
                np.bincount(own, weights=step * mean, minlength=len(degree)) for step in steps.T
            ]
            return np.stack(columns, axis=1).astype(np.float32)

        first, second = sums
        return cls(fold_graph, steps.astype(np.float32), (shift(first), shift(second)))

    @property
    def n_dims(self) -> int:
        """Number of dimensions of the embedding."""
        return int(self.steps.shape[1])

    def of_genes(self, fold: int, means: Float32Array, out: Float32Array, n_threads: int) -> None:
        """Write M, (rows, dimensions, genes), of some genes from their means over a fold."""
        arguments = self.steps, self.shifts[fold], means, out
        self.fold_graph.run(projection_rows, *arguments, n_threads=n_threads)

    def noise(
        self, along: Float32Array, by_chance: Float64Array, n_threads: int = 1
    ) -> Float64Array:
        r"""Return the covariance of every arrow that is due to the noise in M.

        Cell c has a known weight :math:`k_{ic}` in M_i. The variance of its counts along the
        velocity is estimated from the neighbours: :math:`\sum_c k_{ic} k_{ic}^\top
        \operatorname{Var}_{j \in N(i)}(\tilde s_j \cdot v_i)`, minus the part of this variance that
        is due to the noise of the velocity. `along` is the noise of the counts at the end of every
        edge multiplied by the velocity, (edges,). `by_chance` is the part of its variance that is
        due to the noise of that velocity, (folds, rows).
        """
        fold_graph, n_rows = self.fold_graph, by_chance.shape[1]
        own, _ = fold_graph.edges()
        total, squares = np.zeros((2, n_rows, self.n_dims, self.n_dims))
        for fold, means in enumerate(fold_graph.means):
            arguments = self.steps, means.indptr, means.indices, squares
            fold_graph.run(projection_weights, *arguments, n_threads=n_threads)
            inside = fold_graph.cells[fold][fold_graph.graph.indices]
            spread = _variances(own[inside], along[inside], n_rows)
            total += squares * (spread - by_chance[fold])[:, None, None]
        return total


def projections_of(
    fold_graphs: list[FoldGraph],
    edge_steps: list[Float64Array],
    embedding: Float64Array,
    n_repeats: int,
) -> list[Projection]:
    """Return the projection of every fold graph; their sum gives arrows as means over repeats.

    `edge_steps` are summed over all genes; the embedding has the shape (rows, dimensions).
    """
    pairs = list(zip(fold_graphs, edge_steps, strict=True))
    length = np.sqrt(np.mean([_mean_square(*pair) for pair in pairs], axis=0))
    weight = np.divide(1 / n_repeats, length, out=np.zeros_like(length), where=length > 0)
    return [Projection.of(graph, sums, embedding, weight) for graph, (sums, _) in pairs]


def _mean_square(fold_graph: FoldGraph, steps: Float64Array) -> Float64Array:
    """Return the mean squared length of each cell's steps, centred over genes."""
    own, degree = fold_graph.edges()
    total = np.zeros(len(degree))
    for sums, squares in zip(*steps, strict=True):
        spread = np.maximum(squares - sums * sums / int(fold_graph.genes.sum()), 0.0)
        total += np.bincount(own, weights=spread, minlength=len(degree)) / degree
    return total / 2


def _displacements(fold_graph: FoldGraph, embedding: Float64Array) -> Float32Array:
    """Return unit vectors along edges minus their mean, divided by the number of edges."""
    own, degree = fold_graph.edges()
    step = embedding[fold_graph.graph.indices] - embedding[own]
    length = np.linalg.norm(step, axis=1, keepdims=True)
    step = np.divide(step, length, out=np.zeros_like(step), where=length > 0)
    for d in range(step.shape[1]):
        mean = np.bincount(own, weights=step[:, d], minlength=len(degree)) / degree
        step[:, d] = (step[:, d] - mean[own]) / degree[own]
    return np.asarray(step, dtype=np.float32)


def _variances(rows: IntArray, values: Float32Array, n_rows: int) -> Float64Array:
    """Return the variance of the values in each row; 0 in rows with fewer than two."""
    n = np.bincount(rows, minlength=n_rows)
    mean = np.bincount(rows, weights=values, minlength=n_rows) / np.maximum(n, 1)
    square = np.bincount(rows, weights=(values - mean[rows]) ** 2, minlength=n_rows)
    return np.asarray(square / np.maximum(n - 1, 1))
