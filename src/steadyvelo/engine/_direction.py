"""Directions of cells on an embedding, with their errors.

The gene blocks are processed twice. In the first pass, the steps in expression along every edge are
summed over genes. They give the projection M_i of every cell (`_projection.py`). In the second
pass, the projection is applied to the deviations r_c of the neighbours' counts. Their contributions
y_ic = M_i r_c and the errors are sums over genes, which are added block by block
(`_direction_sums.py`). This module computes arrows from these sums. An arrow is the mean of a
cell's contributions. Its covariance has three parts: the spread of the contributions, the errors of
the lines, and the noise in M_i.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce
from operator import iadd
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from steadyvelo.model import group_members

from ._direction_sums import DirectionProblem, DirectionSums
from ._fold_graph import fold_graphs
from ._kernels._direction import mean_contributions
from ._projection import Projection, edge_steps, projections_of
from ._threads import Progress, for_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray, Pattern

    from ._crossfit import CrossFitErrors, Repeat
    from ._fit_rule import FitRule
    from ._moment_source import CountsSource, MomentBlock
    from ._order import CellOrder
    from ._velocities import Lines

__all__ = ["Directions", "bytes_per_direction_value", "find_directions"]


@dataclass(frozen=True, eq=False)
class Directions:
    """Arrows of all cells, and their sums over groups.

    Attributes
    ----------
    arrows
        Mean contributions, shape (cells, dimensions); NaN for a cell without neighbours.
    covariances
        Their covariances: the spread of the contributions, the errors of the lines and the noise
        in M, shape (cells, dimensions, dimensions).
    n_contributions
        Effective number of contributions to each arrow, shape (cells,).
    group_arrows
        Sums of arrows, shape (groups, dimensions).
    group_scores
        Each cell's contribution to the sums, minus its influence on them through the lines, shape
        (groups, dimensions, cells). They are independent between cells.
    group_contributions, group_slopes
        Contributions of the genes to the sums, and their derivatives by γ of each gene with the
        opposite sign, shape (groups, dimensions, genes).
    gamma_se
        Standard errors of γ, shape (genes,).
    controls
        Returns an iterator over the arrows and covariances of each sign-flipped control. All
        controls at once would need many times the memory.

    Examples
    --------
    :func:`find_directions` returns them. Here the Wald statistic of an arrow is computed.

    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> rest = [np.zeros((0, 2))] * 5
    >>> found = engine.Directions(
    ...     np.array([[3.0, 4.0]]), np.eye(2)[None], np.ones(1), *rest, controls=lambda: iter([])
    ... )
    >>> float(found.arrows[0] @ np.linalg.inv(found.covariances[0]) @ found.arrows[0])
    25.0
    """

    arrows: Float64Array
    covariances: Float64Array
    n_contributions: Float64Array
    group_arrows: Float64Array
    group_scores: Float64Array
    group_contributions: Float64Array
    group_slopes: Float64Array
    gamma_se: Float64Array
    controls: Callable[[], Iterator[tuple[Float64Array, Float64Array]]]


def bytes_per_direction_value(n_dims: int) -> int:
    """Return the bytes that a value of a block needs, with all arrays that are made of it.

    Examples
    --------
    >>> from steadyvelo import engine
    >>> engine.bytes_per_direction_value(2)
    100
    """
    return 40 + 30 * n_dims


def find_directions(
    source: CountsSource,
    errors: CrossFitErrors,
    rule: FitRule,
    lines: Lines,
    embedding: Float64Array,
    groups: IntArray,
    *,
    signs: NDArray[np.int8],
    genes_per_block: int,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> Directions:
    """Return the linear arrow of every cell and its errors.

    Parameters
    ----------
    source
        Counts of the genes to use, with ``keep_counts=True``.
    errors
        The repeats, and the method for errors of the lines.
    rule, lines
        The rule by which genes were fitted, and the fitted lines.
    embedding
        Float64, shape (cells, dimensions).
    groups
        Number of each cell's group, shape (cells,); −1 for cells without a group.
    signs
        Random signs of the sign-flipped controls, shape (controls, cells).

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> rng, order = np.random.default_rng(0), engine.CellOrder.identity(60)
    >>> every, scales = np.ones(60, dtype=bool), np.ones((2, 60))
    >>> place, phase = 2 * np.pi * np.arange(60)[:, None] / 60, rng.uniform(0, 2 * np.pi, 20)
    >>> s, u = (rng.poisson(10 * np.exp(np.sin(place + lag + phase))) for lag in (0, 0.7))
    >>> near = np.cos(place - place.T) > 0.8
    >>> graph = engine.SmoothingOperator.from_connectivities(near)
    >>> source = engine.CountsSource(s, u, np.arange(20), order, *scales, graph, keep_counts=True)
    >>> fold = np.arange(60, dtype=np.int8) % 2
    >>> neighbors = engine.RankedNeighbors.equal(graph.without_self())
    >>> repeat = engine.Repeat(fold[:20], fold, (neighbors, neighbors))
    >>> errors = engine.CrossFitErrors(scales, 0.95, None, [repeat])
    >>> rule = engine.FitRule("all", (None, 0.95), False, every, every, "fit")
    >>> lines = engine.Lines(np.ones(20), np.zeros(20))
    >>> circle = np.hstack([np.cos(place), np.sin(place)])
    >>> groups, signs = np.zeros(60, dtype=int), np.ones((1, 60), dtype=np.int8)
    >>> found = engine.find_directions(
    ...     source, errors, rule, lines, circle, groups, signs=signs, genes_per_block=20
    ... )
    >>> ahead = np.hstack([-np.sin(place), np.cos(place)])
    >>> bool(((found.arrows * ahead).sum(axis=1) > 0).mean() > 0.9)
    True
    """
    rows = source.order.cell_of_row

    def blocks(first: float) -> Iterator[MomentBlock]:
        """Make all blocks of one pass; `first` is the share of the work done before it."""
        report = None if progress is None else lambda done: progress(first + done / 2)
        return source.blocks(genes_per_block, n_threads, report)

    problem = DirectionProblem(
        _projections(blocks(0.0), source.order, errors.repeats, embedding[rows], n_threads),
        lines,
        group_members(groups[rows], int(groups.max(initial=-1)) + 1, np.float32),
        signs[:, rows],
        n_threads,
    )

    def sums_of(block: MomentBlock) -> DirectionSums:
        influences = errors.line_influences(block, rule, lines, n_threads)
        return DirectionSums.of_block(problem, block, influences)

    return _directions(problem, reduce(iadd, map(sums_of, blocks(0.5))), source.order)


def _projections(
    blocks: Iterable[MomentBlock],
    order: CellOrder,
    repeats: list[Repeat],
    embedding: Float64Array,
    n_threads: int,
) -> list[Projection]:
    """Return the projections for the genes of each fold in each repeat, from one pass."""
    graphs = fold_graphs(repeats, order)
    steps = [np.zeros((2, 2, graph.n_edges)) for graph in graphs]
    for block in blocks:
        spliced, _ = block.kept_counts
        for number, graph in enumerate(graphs):
            columns = np.flatnonzero(graph.genes[block.genes])
            if len(columns) > 0:
                steps[number] += edge_steps(graph, spliced[:, columns], n_threads)
    return projections_of(graphs, steps, embedding, len(repeats))


def _directions(problem: DirectionProblem, sums: DirectionSums, order: CellOrder) -> Directions:
    """Return directions from sums over all genes, in the order of the cells."""
    row = order.row_of_cell
    mean_of = partial(_mean_contributions, *_edges(problem), sums.contributions, problem.n_threads)
    arrows, covariances, n_contributions = mean_of(np.ones(len(row), dtype=np.int8))
    covariances += sums.line_errors
    covariances += _noise_of_projections(problem, sums)
    without = n_contributions == 0
    arrows[without], covariances[without] = np.nan, np.nan

    def controls() -> Iterator[tuple[Float64Array, Float64Array]]:
        for signs, shift in zip(problem.signs, sums.control_shifts, strict=True):
            turned, spread, _ = mean_of(signs)
            yield (turned + shift)[row], (spread + sums.line_errors)[row]

    scores = _group_scores(problem, sums.contributions)
    return Directions(
        arrows[row],
        covariances[row],
        n_contributions[row],
        scores.sum(axis=2),
        (scores - sums.group_moved)[..., row],
        sums.group_contributions.astype(np.float64),
        sums.group_slopes.astype(np.float64),
        sums.gamma_se.astype(np.float64),
        controls,
    )


def _edges(problem: DirectionProblem) -> Pattern:
    """Return the first edge of each row in every fold graph, and the cells at the ends of edges."""
    graphs = [projection.fold_graph.graph for projection in problem.projections]
    starts = [
        graph.indptr + edges.start for graph, edges in zip(graphs, problem.edges(), strict=True)
    ]
    return np.stack(starts), np.concatenate([graph.indices for graph in graphs])


def _mean_contributions(
    indptr: IntArray,
    indices: NDArray[np.int32],
    contributions: Float32Array,
    n_threads: int,
    signs: NDArray[np.int8],
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return arrows, their covariances and numbers of contributions, with the cells' signs."""
    n_rows, n_dims = len(signs), contributions.shape[1]
    out = np.empty((n_rows, n_dims)), np.empty((n_rows, n_dims, n_dims)), np.empty(n_rows)
    work = partial(mean_contributions, indptr, indices, contributions, signs, *out)
    for_rows(work, n_rows, n_threads)
    return out


def _noise_of_projections(problem: DirectionProblem, sums: DirectionSums) -> Float64Array:
    """Return the covariance of every arrow that is due to the noise in M."""
    total = np.zeros_like(sums.line_errors)
    for projection, edges, chance in zip(
        problem.projections, problem.edges(), sums.chance, strict=True
    ):
        total += projection.noise(sums.noise_along[edges], chance, problem.n_threads)
    # Repeats share counts, but their noise is added as if it were independent. Noise in a cell's
    # counts also changes its contribution and M in opposite directions, which is not included.
    total[np.linalg.eigvalsh(total)[:, 0] < 0] = 0.0
    return total


def _group_scores(problem: DirectionProblem, contributions: Float32Array) -> Float64Array:
    """Return each cell's contribution to the sum of every group, (groups × dimensions, rows)."""
    n_groups, n_rows = problem.groups.shape
    out = np.zeros((n_groups, problem.n_dims, n_rows))
    for projection, edges in zip(problem.projections, problem.edges(), strict=True):
        own, degree = projection.fold_graph.edges()
        graph = projection.fold_graph.graph
        for d in range(problem.n_dims):
            part = contributions[edges, d] / degree[own]
            added = sp.csr_array((part, graph.indices, graph.indptr), shape=(n_rows, n_rows))
            out[:, d] += (problem.groups @ added).toarray()
    return out
