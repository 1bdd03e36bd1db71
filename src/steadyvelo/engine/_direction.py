"""Directions of cells on an embedding, with their errors.

The projection M_i of every cell is scaled by the length of steps in expression
(`_projection.py`). Then M_i is applied to the deviations r_c of the neighbours'
counts. Their contributions y_ic = M_i r_c and the errors are sums over genes, which are added block
by block (`_direction_sums.py`). From these sums, `_arrows_of_cells.py` computes the arrows of
cells, and `_group_directions.py` those of groups of cells. An arrow is the mean of a cell's
contributions. Its covariance has three parts: the spread of the contributions, the errors of
the lines, and the noise in M_i.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ._arrows_of_cells import Directions, arrows_of_cells
from ._direction_sums import DirectionProblem, DirectionSums
from ._flow_pairs import bordering_pairs, no_pairs
from ._fold_graph import FoldGraphs
from ._group_directions import GroupDirections, group_directions
from ._progress import part_of
from ._projection import projections_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float64Array, IntArray

    from ._crossfit import CrossFitErrors
    from ._fit_rule import FitRule
    from ._moment_source import CountsSource
    from ._threads import Progress
    from ._velocities import Lines

# share of the work that the lengths of steps take
_LENGTHS = 0.1

__all__ = ["bytes_per_direction_value", "find_directions", "find_group_directions", "summed"]


def bytes_per_direction_value(n_dims: int, *, offset: bool = False, known: bool = True) -> int:
    """Return the bytes that a value of a block needs, with all arrays that are made of it.

    Lines with an `offset` need more, and so do instruments that are not `known`.

    Examples
    --------
    >>> from steadyvelo import engine
    >>> engine.bytes_per_direction_value(2)
    40
    """
    # spliced and unspliced counts and instruments (deviations overwrite the unspliced counts, and
    # influences the instruments); the values of a fold graph; for every dimension derivatives
    more = (12 + 4 * n_dims if offset else 0) + (0 if known else 30)
    return 32 + 4 * n_dims + more


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
    problem, sums = summed(
        source,
        errors,
        rule,
        lines,
        embedding,
        groups,
        signs,
        for_cells=True,
        genes_per_block=genes_per_block,
        n_threads=n_threads,
        progress=progress,
    )
    return arrows_of_cells(problem, sums, source.order)


def find_group_directions(
    source: CountsSource,
    errors: CrossFitErrors,
    rule: FitRule,
    lines: Lines,
    embedding: Float64Array,
    groups: IntArray,
    *,
    genes_per_block: int,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> GroupDirections:
    """Return the sums of arrows over groups only; see :func:`find_directions`.

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
    >>> errors = engine.CrossFitErrors(
    ...     scales, 0.95, None, [engine.Repeat(fold[:20], fold, (neighbors, neighbors))]
    ... )
    >>> rule = engine.FitRule("all", (None, 0.95), False, every, every, "fit")
    >>> lines = engine.Lines(np.ones(20), np.zeros(20))
    >>> circle, groups = np.hstack([np.cos(place), np.sin(place)]), np.arange(60) // 30
    >>> found = engine.find_group_directions(
    ...     source, errors, rule, lines, circle, groups, genes_per_block=20
    ... )
    >>> found.arrows.shape
    (2, 2)
    """
    signs = np.zeros((0, len(groups)), dtype=np.int8)
    problem, sums = summed(
        source,
        errors,
        rule,
        lines,
        embedding,
        groups,
        signs,
        for_cells=False,
        genes_per_block=genes_per_block,
        n_threads=n_threads,
        progress=progress,
    )
    return group_directions(problem, sums)


def summed(
    source: CountsSource,
    errors: CrossFitErrors,
    rule: FitRule,
    lines: Lines,
    embedding: Float64Array,
    groups: IntArray,
    signs: NDArray[np.int8],
    *,
    for_cells: bool,
    flows: bool = False,
    genes_per_block: int,
    n_threads: int,
    progress: Progress | None,
) -> tuple[DirectionProblem, DirectionSums]:
    """Return the sums over all genes, for the retest of `flows` or else of groups."""
    rows = source.order.cell_of_row
    limits = {"genes_per_block": genes_per_block, "n_threads": n_threads}
    fold_graphs = FoldGraphs.of(errors.repeats, source.order)
    projections = projections_of(
        source,
        fold_graphs,
        np.ascontiguousarray(embedding[rows], dtype=np.float64),
        len(errors.repeats),
        progress=part_of(progress, 0.0, _LENGTHS),
        **limits,
    )
    of_rows, n_groups = np.ascontiguousarray(groups[rows]), int(groups.max(initial=-1)) + 1
    problem = DirectionProblem(
        fold_graphs,
        projections,
        lines,
        of_rows,
        n_groups,
        np.ascontiguousarray(signs[:, rows]),
        for_cells,
        n_threads,
        bordering_pairs(fold_graphs, of_rows, n_groups) if flows else no_pairs(),
    )
    sums = DirectionSums.zeros(problem)
    # cross-fitting smooths counts in its own graphs
    counts = replace(source, smooth=False)
    told, gene_order = part_of(progress, _LENGTHS, 1.0), errors.gene_order(genes_per_block)
    for block in counts.blocks(progress=told, gene_order=gene_order, **limits):
        (made,) = errors.instruments(block, [rule], n_threads=n_threads)
        sums.add(problem, block, made)
    problem.scratch.clear()
    return problem, sums
