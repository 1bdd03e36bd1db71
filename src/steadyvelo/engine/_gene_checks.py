"""Sums for the model checks of every gene, over gene blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo.model._extremes import overdispersion, upper_end
from steadyvelo.model._join import joined

from ._kernels._gene_checks import leave_out_own, sums_by_cluster, weights_by_cluster
from ._moment_source import CountsSource, MomentBlock, by_gene
from ._threads import Progress, for_genes

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, IntArray

    from ._fit_rule import FitRule
    from ._velocities import Lines

__all__ = ["GeneChecks", "check_genes"]

_GENES_PER_TASK = 16
# values of a task, whose arrays in float64 need several times the memory of a block of many cells
_VALUES_PER_TASK = 8_000_000


@dataclass(frozen=True, eq=False)
class GeneChecks:
    """Results of the model checks for some genes.

    Attributes
    ----------
    upper, lower
        Share of each cluster in the weight at the upper and at the lower end of the fit, shape
        (genes, clusters); NaN if the fit does not use this end.
    sums
        Σs, Σs², Σv, Σv² and Σxs over the cells of each cluster, for counts divided by size factors,
        v = u − γs − o and the places x of cells, shape (genes, clusters, 4 + dimensions).
    spliced_overdispersion, unspliced_overdispersion
        φ of the counts, shape (genes,).

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> rng, order = np.random.default_rng(0), engine.CellOrder.identity(60)
    >>> every, scales = np.ones(60, dtype=bool), np.ones((2, 60))
    >>> near = np.abs(np.subtract.outer(np.arange(60), np.arange(60))) < 6
    >>> graph = engine.SmoothingOperator.from_connectivities(near)
    >>> s, u = (rng.poisson(np.linspace(0, mean, 60)[:, None], (60, 4)) for mean in (40, 20))
    >>> source = engine.CountsSource(s, u, np.arange(4), order, *scales, graph, keep_counts=True)
    >>> rule = engine.FitRule("all", (None, 0.95), False, every, every, "fit")
    >>> lines, places = engine.Lines(np.full(4, 0.5), np.zeros(4)), np.zeros((60, 2))
    >>> clusters = np.arange(60) // 20
    >>> checks = engine.check_genes(source, rule, lines, clusters, places, genes_per_block=4)
    >>> checks.upper.shape, bool(np.allclose(checks.upper.sum(axis=1), 1))
    ((4, 3), True)
    """

    upper: Float64Array
    lower: Float64Array
    sums: Float64Array
    spliced_overdispersion: Float64Array
    unspliced_overdispersion: Float64Array


def check_genes(
    source: CountsSource,
    rule: FitRule,
    lines: Lines,
    clusters: IntArray,
    places: Float64Array,
    *,
    genes_per_block: int,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> GeneChecks:
    """Compute what the model checks need of every gene.

    `lines` are the fitted lines of the genes of the source. `clusters` are the numbers of the
    cells' clusters, shape (cells,), with −1 for cells without one, and `places` their coordinates,
    shape (cells, dimensions).

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> rng, order = np.random.default_rng(0), engine.CellOrder.identity(60)
    >>> every, scales = np.ones(60, dtype=bool), np.ones((2, 60))
    >>> near = np.abs(np.subtract.outer(np.arange(60), np.arange(60))) < 6
    >>> graph = engine.SmoothingOperator.from_connectivities(near)
    >>> s, u = (rng.poisson(np.linspace(0, mean, 60)[:, None], (60, 4)) for mean in (40, 20))
    >>> source = engine.CountsSource(s, u, np.arange(4), order, *scales, graph, keep_counts=True)
    >>> rule = engine.FitRule("all", (None, 0.95), False, every, every, "fit")
    >>> lines, places = engine.Lines(np.full(4, 0.5), np.zeros(4)), np.zeros((60, 2))
    >>> clusters = np.arange(60) // 20
    >>> checks = engine.check_genes(source, rule, lines, clusters, places, genes_per_block=2)
    >>> bool(np.allclose(checks.sums[:, :, 0].sum(axis=1), s.sum(axis=0)))
    True
    """
    parts: list[GeneChecks] = []
    per_task = max(1, min(_GENES_PER_TASK, _VALUES_PER_TASK // len(source.spliced_scale)))
    for block in source.blocks(genes_per_block, n_threads, progress):
        check = partial(_check, source, block, rule, lines, clusters, places)
        parts += for_genes(check, block.spliced.shape[1], per_task, n_threads)
    return joined(parts)


def _check(
    source: CountsSource,
    block: MomentBlock,
    rule: FitRule,
    lines: Lines,
    clusters: IntArray,
    places: Float64Array,
    genes: slice,
) -> GeneChecks:
    spliced, unspliced = block.by_gene(genes)
    weights = rule.weigh(spliced, unspliced, block.genes[genes])
    weights = np.broadcast_to(weights, spliced.shape)
    top = upper_end(spliced, weights)
    counts = [by_gene(values, genes, block.order) for values in block.kept_counts]
    n_clusters = int(clusters.max(initial=-1)) + 1
    sums = np.zeros((len(spliced), n_clusters, 4 + places.shape[1]))
    gamma, offset = lines.of(block.genes[genes])
    sums_by_cluster(counts[0], counts[1], gamma, offset, clusters, places, sums)
    dispersion = [
        _overdispersion(source, values, means, scale, rule.cells)
        for values, means, scale in zip(
            counts,
            (spliced, unspliced),
            (source.spliced_scale, source.unspliced_scale),
            strict=True,
        )
    ]
    upper, lower = (_shares(weights, chosen, clusters, n_clusters) for chosen in (top, ~top))
    return GeneChecks(upper, lower, sums, *dispersion)


def _shares(
    weights: NDArray[Any], chosen: BoolArray, clusters: IntArray, n_clusters: int
) -> Float64Array:
    """Return the share of each cluster in the weight of the chosen cells, for every gene."""
    held = np.zeros((len(weights), n_clusters + 1))
    weights_by_cluster(weights, chosen, clusters, held)
    total = held.sum(axis=1, keepdims=True)
    return np.asarray(held[:, :n_clusters] / np.where(total > 0, total, np.nan))


def _overdispersion(
    source: CountsSource,
    counts: Float32Array,
    means: Float32Array,
    scale: Float64Array,
    used: BoolArray,
) -> Float64Array:
    degrees = np.diff(source.smoothing.indptr)[source.order.row_of_cell].astype(np.float64)
    leave_out_own(means, counts, degrees)
    # cells without neighbours are left out
    return overdispersion(counts, means, scale, np.where(used, degrees - 1, 0.0))
