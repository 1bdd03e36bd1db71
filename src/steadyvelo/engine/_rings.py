"""The neighbours that the genes of one fold have in one split, and what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ._kernels._votes import add_edge_spreads, add_votes, steering_rows, step_weights
from ._threads import for_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, IntArray

    from ._crossfit import Split
    from ._order import CellOrder
    from ._smoothing import SmoothingOperator

__all__ = ["Ring"]


@dataclass(eq=False)
class Ring:
    """Neighbours in one split for the genes of one fold; rows stand in an order.

    Attributes
    ----------
    genes
        The fold's genes among those of the source, as a mask.
    graph
        Neighbours of every cell, the cell itself left out.
    part
        Means over the neighbours in each fold of cells.
    voters
        The cells of each fold.
    share
        Share of a cell's neighbours that lie in each fold, shape (folds, cells).
    steps
        Centred unit displacements on the embedding / number of neighbours, and once steered also
        divided by lengths in expression, shape (edges, dimensions).
    sums, squares
        Of the steps in expression along every edge, from the means of each fold, over genes.
    votes
        What the neighbour at the end of each edge says, shape (edges, dimensions).
    along
        Noise of that neighbour's counts along the velocity that the other fold of cells says, shape
        (edges, 1).
    chance
        What the noise of that velocity adds to their variance, shape (folds, cells).
    shifts
        For each fold of cells, what centring over genes takes from M, shape (cells, dimensions).
    """

    genes: BoolArray
    graph: SmoothingOperator
    part: tuple[SmoothingOperator, SmoothingOperator]
    voters: tuple[BoolArray, BoolArray]
    share: Float32Array
    steps: Float32Array
    sums: Float64Array
    squares: Float64Array
    votes: Float32Array
    along: Float32Array
    chance: Float64Array
    shifts: list[Float32Array] = field(default_factory=list)

    @classmethod
    def of(cls, split: Split, fold: int, order: CellOrder, embedding: Float64Array) -> Ring:
        """Open the ring of one fold of genes.

        Parameters
        ----------
        split
            Folds of genes and cells, and neighbours.
        fold
            The fold of genes.
        order
            Order of the rows.
        embedding
            Float64, shape (cells, dimensions).
        """
        graph = split.graphs[fold].reordered(order)
        first = split.cell_fold[order.cell_of_row] == 0
        voters = (first, ~first)
        own, degree = _edges(graph)
        inside = np.bincount(own, weights=first[graph.indices], minlength=graph.n_cells)
        share = np.stack([inside, np.diff(graph.indptr) - inside]) / degree
        n_edges, n_dims = len(own), embedding.shape[1]
        return cls(
            split.gene_fold == fold,
            graph,
            (graph.without(voters[1]), graph.without(voters[0])),
            voters,
            share.astype(np.float32),
            _displacements(graph, embedding[order.cell_of_row]),
            np.zeros((2, n_edges)),
            np.zeros((2, n_edges)),
            np.zeros((n_edges, n_dims), dtype=np.float32),
            np.zeros((n_edges, 1), dtype=np.float32),
            np.zeros((2, graph.n_cells)),
        )

    def edges(self) -> tuple[IntArray, IntArray]:
        """Return the row of every edge and the number of each row's edges, 1 where none are."""
        return _edges(self.graph)

    def measure(self, spliced: Float32Array, n_threads: int) -> None:
        """Add how far apart the ends of every edge lie in some genes of the fold."""
        pattern = self.graph.indptr, self.graph.indices
        for fold in (0, 1):
            mean = self.part[fold].apply(spliced, n_threads)
            out = self.sums[fold], self.squares[fold]
            for_rows(partial(add_edge_spreads, *pattern, mean, *out), len(mean), n_threads)

    def square_length(self) -> Float64Array:
        """Return the mean square length of each cell's edges in expression, centred over genes."""
        own, degree = self.edges()
        n_genes = int(self.genes.sum())
        total = np.zeros(len(degree))
        for sums, squares in zip(self.sums, self.squares, strict=True):
            spread = np.maximum(squares - sums * sums / n_genes, 0.0)
            total += np.bincount(own, weights=spread, minlength=len(degree)) / degree
        return total / 2

    def steer(self, weight: Float64Array) -> None:
        """Multiply the steps of every cell with its weight, and centre them over genes."""
        own, degree = self.edges()
        steps = self.steps * weight[own, None]
        for sums in self.sums:
            mean = sums / int(self.genes.sum())
            columns = [
                np.bincount(own, weights=step * mean, minlength=len(degree)) for step in steps.T
            ]
            self.shifts.append(np.stack(columns, axis=1).astype(np.float32))
        self.steps = steps.astype(np.float32)

    def vote(
        self, spliced: Float32Array, residuals: Float32Array, n_threads: int
    ) -> Iterator[tuple[Float32Array, Float32Array, Float32Array]]:
        """Let the cells of each fold vote with some genes.

        Yields, for either, the derivatives of the arrow by γ and by the offset, with the sign
        turned, and what each gene says, each of shape (dimensions, cells, genes).
        """
        n_cells, n_genes = spliced.shape
        pattern = self.graph.indptr, self.graph.indices
        means = [part.apply(spliced, n_threads) for part in self.part]
        turned = [part.apply(residuals, n_threads) for part in self.part]
        # what counts are off their neighbours in the same fold, which leave a cell itself out
        noise = [spliced - mean for mean in means]
        spread, spread_turned = (
            [part.apply(x * x, n_threads) for part, x in zip(self.part, values, strict=True)]
            for values in (noise, [residuals - mean for mean in turned])
        )
        steering = np.empty((n_cells, self.steps.shape[1], n_genes), dtype=np.float32)

        def for_cells(kernel: Callable[..., None], *arguments: Any) -> None:
            for_rows(partial(kernel, *pattern, *arguments), n_cells, n_threads)

        for fold in (0, 1):
            # the cells of one fold show where to, those of the other vote
            other = 1 - fold
            for_cells(steering_rows, self.steps, self.shifts[fold], means[fold], steering)
            for_cells(add_votes, self.voters[other], steering, residuals, self.votes)
            share = self.share[other][:, None]
            along = share * turned[other]
            for_cells(add_votes, self.voters[fold], along[:, None, :], noise[fold], self.along)
            by_chance = (spread[fold] * spread_turned[other]).sum(axis=1)
            self.chance[fold] += share[:, 0] ** 2 * by_chance / self._size(other)
            weighed = steering.transpose(1, 0, 2)
            yield weighed * (share * means[other]), share * weighed, weighed * along

    def steering_noise(self, n_threads: int) -> Float64Array:
        """Return what the noise in M adds to the covariance of every arrow."""
        total = np.zeros((self.graph.n_cells, *(self.steps.shape[1],) * 2))
        own, _ = self.edges()
        out = np.empty_like(total)
        for fold, part in enumerate(self.part):
            arguments = self.graph.indptr, self.graph.indices, self.steps, part.indptr, part.indices
            for_rows(partial(step_weights, *arguments, out), len(out), n_threads)
            inside = self.voters[fold][self.graph.indices]
            spread = _variances(own[inside], self.along[inside, 0], len(out))
            total += out * (spread - self.chance[fold])[:, None, None]
        return total

    def _size(self, fold: int) -> Float64Array:
        """Return how many neighbours of each row lie in a fold of cells, at least one."""
        return np.maximum(np.diff(self.part[fold].indptr), 1.0)


def _edges(graph: SmoothingOperator) -> tuple[IntArray, IntArray]:
    degree = np.diff(graph.indptr)
    return np.repeat(np.arange(graph.n_cells), degree), np.maximum(degree, 1)


def _displacements(graph: SmoothingOperator, embedding: Float64Array) -> Float32Array:
    """Return unit displacements along edges less their mean, divided by the number of edges."""
    own, degree = _edges(graph)
    step = embedding[graph.indices] - embedding[own]
    length = np.linalg.norm(step, axis=1, keepdims=True)
    step = np.divide(step, length, out=np.zeros_like(step), where=length > 0)
    for d in range(step.shape[1]):
        mean = np.bincount(own, weights=step[:, d], minlength=graph.n_cells) / degree
        step[:, d] = (step[:, d] - mean[own]) / degree[own]
    return np.asarray(step, dtype=np.float32)


def _variances(rows: IntArray, values: Float32Array, n_rows: int) -> Float64Array:
    """Return the variance of the values in each row; 0 where there are less than two."""
    n = np.bincount(rows, minlength=n_rows)
    mean = np.bincount(rows, weights=values, minlength=n_rows) / np.maximum(n, 1)
    square = np.bincount(rows, weights=(values - mean[rows]) ** 2, minlength=n_rows)
    return np.asarray(square / np.maximum(n - 1, 1))
