"""Model checks of every gene from its extreme cells, over gene blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo.model._extremes import gamma_path, overdispersion, upper_end
from steadyvelo.model._join import joined

from ._kernels._gene_checks import leave_out_own, weights_by_cluster
from ._moment_source import CountsSource, MomentBlock, by_gene
from ._threads import Progress, for_genes

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, IntArray

    from ._fit_rule import FitRule

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
    path
        Ratios of fits to the most extreme cells, for several shares of the cells, shape (genes,
        shares).
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
    >>> clusters, shares = np.arange(60) // 20, np.array([0.05, 0.2])
    >>> checks = engine.check_genes(source, rule, clusters, shares, genes_per_block=4)
    >>> checks.upper.shape, bool(np.allclose(checks.upper.sum(axis=1), 1))
    ((4, 3), True)
    """

    upper: Float64Array
    lower: Float64Array
    path: Float64Array
    spliced_overdispersion: Float64Array
    unspliced_overdispersion: Float64Array


def check_genes(
    source: CountsSource,
    rule: FitRule,
    clusters: IntArray,
    shares: Float64Array,
    *,
    genes_per_block: int,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> GeneChecks:
    """Check every gene from its extreme cells, and compute its path for some shares of the cells.

    `clusters` are the numbers of the cells' clusters, shape (cells,), with −1 for cells without
    one.

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
    >>> clusters, shares = np.arange(60) // 20, np.array([0.05, 0.2])
    >>> checks = engine.check_genes(source, rule, clusters, shares, genes_per_block=2)
    >>> checks.path.mean(axis=0).round(1)
    array([0.5, 0.5])
    """
    parts: list[GeneChecks] = []
    per_task = max(1, min(_GENES_PER_TASK, _VALUES_PER_TASK // len(source.spliced_scale)))
    for block in source.blocks(genes_per_block, n_threads, progress):
        check = partial(_check, source, block, rule, clusters, shares)
        parts += for_genes(check, block.spliced.shape[1], per_task, n_threads)
    return joined(parts)


def _check(
    source: CountsSource,
    block: MomentBlock,
    rule: FitRule,
    clusters: IntArray,
    shares: Float64Array,
    genes: slice,
) -> GeneChecks:
    spliced, unspliced = block.by_gene(genes)
    weights = rule.weigh(spliced, unspliced, block.genes[genes])
    weights = np.broadcast_to(weights, spliced.shape)
    top = upper_end(spliced, weights)
    used, fitted = rule.cells, rule.fit_cells
    path = gamma_path(
        spliced[:, fitted],
        unspliced[:, fitted],
        shares,
        offset=rule.offset is not False,
        both_ends=rule.quantiles[0] is not None,
    )
    dispersion = [
        _overdispersion(source, by_gene(counts, genes, block.order), means, scale, used)
        for counts, means, scale in zip(
            block.kept_counts,
            (spliced, unspliced),
            (source.spliced_scale, source.unspliced_scale),
            strict=True,
        )
    ]
    n_clusters = int(clusters.max(initial=-1)) + 1
    upper, lower = (_shares(weights, chosen, clusters, n_clusters) for chosen in (top, ~top))
    return GeneChecks(upper, lower, path, *dispersion)


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
