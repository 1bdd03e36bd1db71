"""Net flows between clusters and their errors, by cross-fitting.

On an embedding whose places are clusters, one dimension for each, the arrow of a cell has a
component for every cluster: positive if its velocity is more similar to steps to the neighbours in
that cluster than to steps to its other neighbours. The sum over the cells of cluster a of the
component for b, minus that over b of the component for a, is the net flow from a to b. Its errors
are those of summed arrows (`_group_directions.py`): the score of a cell is what its counts add to
both sums, and the sum of squared scores is the variance if every cell gets a random sign.

The retest without a steady state is that of arrows (`model/_retest.py`), with pairs of clusters in
place of clusters. A cell of a belongs to the pair of a and b if it has neighbours in b, and perhaps
to other pairs as well. p is the mean of these neighbours minus that of the others, so it
has about the same length in all cells. If their share of the neighbours is f, the arrow of the cell
has the component f (1 − f) p / √2 for b. So the cell counts with the weight f (1 − f): then it has
the part in the sum of p that it has in the net flow. Cells without neighbours in other clusters
have no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo.model._retest import retest

from ._direction import summed
from ._group_directions import contributed_to_groups
from ._threads import in_threads

if TYPE_CHECKING:
    import scipy.sparse as sp

    from steadyvelo.model._typing import Float64Array, IntArray

    from ._crossfit import CrossFitErrors
    from ._direction_sums import DirectionProblem, DirectionSums
    from ._fit_rule import FitRule
    from ._moment_source import CountsSource
    from ._threads import Progress
    from ._velocities import Lines

__all__ = ["NetFlows", "find_net_flows"]

# scores that are in memory at a time
_SCORES = 4_000_000


@dataclass(frozen=True, eq=False)
class NetFlows:
    """Net flows from clusters (rows) to clusters (columns), with opposite signs for a pair.

    Attributes
    ----------
    net
        Differences of summed arrows, shape (clusters, clusters).
    standard_error
        Their standard errors.
    n
        Effective number of cells whose counts determine them, (Σφ²)² / Σφ⁴ with their scores φ; NaN
        without any.
    retest_t, retest_z
        Statistics of the retest without a steady state, positive if it agrees with a flow from the
        cluster of the row to that of the column; NaN without edges between the two.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> net = np.array([[0.0, 6.0], [-6.0, 0.0]])
    >>> flows = engine.NetFlows(net, np.full((2, 2), 2.0), np.full((2, 2), 30.0), net, net)
    >>> (flows.net / flows.standard_error).tolist()
    [[0.0, 3.0], [-3.0, 0.0]]
    """

    net: Float64Array
    standard_error: Float64Array
    n: Float64Array
    retest_t: Float64Array
    retest_z: Float64Array


def find_net_flows(
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
) -> NetFlows:
    """Return the net flows between clusters.

    Parameters
    ----------
    source, errors, rule, lines
        As in :func:`find_directions`.
    embedding
        1 in the dimension of each cell's cluster and otherwise 0, float64, shape (cells, clusters).
    groups
        Number of each cell's cluster, shape (cells,); −1 for cells without one.

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
    >>> lines, thirds = engine.Lines(np.ones(20), np.zeros(20)), np.arange(60) // 20
    >>> found = engine.find_net_flows(
    ...     source, errors, rule, lines, np.eye(3)[thirds], thirds, genes_per_block=20
    ... )
    >>> found.net[[0, 1, 2], [1, 2, 0]] > 0
    array([ True,  True,  True])
    """
    problem, sums = summed(
        source,
        errors,
        rule,
        lines,
        embedding,
        groups,
        np.zeros((0, len(groups)), dtype=np.int8),
        for_cells=False,
        flows=True,
        genes_per_block=genes_per_block,
        n_threads=n_threads,
        progress=progress,
    )
    contributed, _ = contributed_to_groups(problem, sums.contributions)
    n_groups = problem.n_groups
    step = max(1, _SCORES // max(n_groups, 1) ** 2)
    rows = [slice(k, min(k + step, problem.n_rows)) for k in range(0, problem.n_rows, step)]
    work = partial(_squares_of_rows, problem, sums, contributed)
    parts = in_threads([partial(work, some) for some in rows], problem.n_threads)
    # added in the order of the rows, so that results do not depend on the order of threads
    square, fourth = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    total = np.asarray(contributed.sum(axis=0), dtype=np.float64).reshape(n_groups, n_groups)
    n: Float64Array = np.full(square.shape, np.nan)
    np.divide(square**2, fourth, out=n, where=fourth > 0)
    ahead = np.ones((len(sums.retest) - 1, 1))
    again = [_of_pairs(problem.pairs, x) for x in retest(sums.retest, ahead, sums.abundance)]
    return NetFlows(total - total.T, np.sqrt(square), n, *again)


def _of_pairs(pairs: IntArray, values: Float64Array) -> Float64Array:
    """Return values of pairs from the first group to the second, and negative ones back."""
    out: Float64Array = np.full(pairs.shape, np.nan)
    first, second = np.nonzero(np.triu(pairs >= 0))
    out[first, second] = values[pairs[first, second]]
    out[second, first] = -out[first, second]
    return out


def _squares_of_rows(
    problem: DirectionProblem, sums: DirectionSums, contributed: sp.csr_array[Any], rows: slice
) -> tuple[Float64Array, Float64Array]:
    """Return Σφ² and Σφ⁴ over some rows, with their scores φ of each pair of clusters."""
    scores = contributed[rows].toarray()
    for block in sums.influences:
        scores -= block.of_rows(rows)
    by_pair = scores.reshape(len(scores), problem.n_groups, problem.n_groups)
    squares = (by_pair - by_pair.swapaxes(1, 2)) ** 2
    return squares.sum(axis=0), (squares**2).sum(axis=0)
