"""In which direction each cell goes on an embedding, with what the counts leave open.

The gene blocks are gone through twice. The first time the steps in expression along every edge are
summed, which gives the projection M_i of every cell (`_projection.py`). The second time the
deviations r_c of the neighbours' counts are seen through it: their contributions y_ic = M_i r_c,
and what their errors are made from, are sums over genes that add block by block
(`_direction_sums.py`). Here these sums become arrows: the mean of a cell's contributions, and as
its covariance the spread of the contributions, the errors of the lines and the noise in M_i.
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

    from ._crossfit import CrossFit, Split
    from ._fit_rule import FitRule
    from ._moment_source import CountsSource, MomentBlock
    from ._order import CellOrder
    from ._velocities import Lines

__all__ = ["Directions", "bytes_per_direction_value", "find_directions"]


@dataclass(frozen=True, eq=False)
class Directions:
    """Arrows of all cells, and their sums over groups of cells.

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
        What each raw cell adds to them less what it moves the lines, shape
        (groups, dimensions, cells): independent between cells.
    group_contributions, group_slopes
        Contributions of the genes to them, and their derivatives by γ of each gene with the sign
        turned, shape (groups, dimensions, genes).
    gamma_se
        Standard errors of γ, shape (genes,).
    controls
        Makes the same as `arrows` and `covariances` for every row of signs, one after the other:
        all of them would take many times the memory.
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
    """Return what a value of a block takes with all that is made of it for each dimension."""
    return 40 + 30 * n_dims


def find_directions(
    source: CountsSource,
    errors: CrossFit,
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
        Counts of the genes that enter, with ``keep_counts=True``.
    errors
        The splits, and how errors of the lines are found.
    rule, lines
        How the genes were fitted, and with what result.
    embedding
        Float64, shape (cells, dimensions).
    groups
        Number of each cell's group, −1 for none, shape (cells,).
    signs
        Random signs by which deviations are turned for a control, shape (controls, cells).
    """
    rows = source.order.cell_of_row

    def blocks(first: float) -> Iterator[MomentBlock]:
        """Make all blocks of one of the two passes; `first` is the share done before it."""
        report = None if progress is None else lambda done: progress(first + done / 2)
        return source.blocks(genes_per_block, n_threads, report)

    problem = DirectionProblem(
        _projections(blocks(0.0), source.order, errors.splits, embedding[rows], n_threads),
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
    splits: list[Split],
    embedding: Float64Array,
    n_threads: int,
) -> list[Projection]:
    """Return the projections for the genes of each fold in each split, from one pass."""
    graphs = fold_graphs(splits, order)
    steps = [np.zeros((2, 2, graph.n_edges)) for graph in graphs]
    for block in blocks:
        spliced, _ = block.kept_counts
        for number, graph in enumerate(graphs):
            columns = np.flatnonzero(graph.genes[block.genes])
            if len(columns) > 0:
                steps[number] += edge_steps(graph, spliced[:, columns], n_threads)
    return projections_of(graphs, steps, embedding, len(splits))


def _directions(problem: DirectionProblem, sums: DirectionSums, order: CellOrder) -> Directions:
    """Return what sums over all genes say, in the order of the cells."""
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
    """Return where the edges of each row begin in every fold graph, and the cells they lead to."""
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
    """Return arrows, their spread and numbers of contributions, each with the sign of its cell."""
    n_rows, n_dims = len(signs), contributions.shape[1]
    out = np.empty((n_rows, n_dims)), np.empty((n_rows, n_dims, n_dims)), np.empty(n_rows)
    work = partial(mean_contributions, indptr, indices, contributions, signs, *out)
    for_rows(work, n_rows, n_threads)
    return out


def _noise_of_projections(problem: DirectionProblem, sums: DirectionSums) -> Float64Array:
    """Return what the noise in M adds to the covariance of every arrow."""
    total = np.zeros_like(sums.line_errors)
    for projection, edges, chance in zip(
        problem.projections, problem.edges(), sums.chance, strict=True
    ):
        total += projection.noise(sums.noise_along[edges], chance, problem.n_threads)
    # over splits as if each had noise of its own: they share counts, but the noise of one cell
    # turns its contribution and its part in M against each other, and that is not counted either
    total[np.linalg.eigvalsh(total)[:, 0] < 0] = 0.0
    return total


def _group_scores(problem: DirectionProblem, contributions: Float32Array) -> Float64Array:
    """Return what each raw cell adds to the sum of every group, (groups × dimensions, rows)."""
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
