"""Ratios of groups of cells, over gene blocks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo.model import GroupRatios, Instruments

from ._threads import Progress, for_rows

if TYPE_CHECKING:
    from ._fit_rule import FitRule
    from ._moment_source import MomentSource
    from ._uncertainty import Uncertainty

__all__ = ["fit_groups", "group_ratios"]


def fit_groups(
    source: MomentSource,
    rules: list[FitRule],
    uncertainty: Uncertainty,
    *,
    genes_per_block: int,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> GroupRatios:
    """Fit every gene in every group of cells, each group by its rule; all have one offset mode.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> rng, order = np.random.default_rng(0), engine.CellOrder.identity(60)
    >>> scales = np.ones((2, 60))
    >>> near = np.abs(np.subtract.outer(np.arange(60), np.arange(60))) < 6
    >>> graph = engine.SmoothingOperator.from_connectivities(near)
    >>> s, u = (rng.poisson(np.linspace(0, mean, 60)[:, None], (60, 4)) for mean in (40, 20))
    >>> source = engine.CountsSource(s, u, np.arange(4), order, *scales, graph, keep_counts=True)
    >>> even = np.arange(60) % 2 == 0
    >>> rules = [engine.FitRule("all", (None, 0.95), False, x, x, "fit") for x in (even, ~even)]
    >>> errors = engine.SandwichErrors(scales, 0.95, None, engine.Spreading.transposing(graph))
    >>> ratios = engine.fit_groups(source, rules, errors, genes_per_block=4)
    >>> ratios.gamma.mean(axis=1).round(1)
    array([0.5, 0.5])
    """
    centred = rules[0].offset is not False
    parts, genes = [], []
    order = uncertainty.gene_order(genes_per_block)
    for block in source.blocks(genes_per_block, n_threads, progress, order):
        groups = uncertainty.instruments(block, rules, n_threads=n_threads)
        parts.append(group_ratios(groups, centred=centred, n_threads=n_threads))
        genes.append(block.genes)
    return GroupRatios.join(parts).of_genes(np.argsort(np.concatenate(genes)))


def group_ratios(groups: list[Instruments], *, centred: bool, n_threads: int = 1) -> GroupRatios:
    """Return the ratios of a block's genes in every group, from the groups' instruments.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> from steadyvelo.model import Instruments
    >>> spliced, unspliced = np.array([[20.0, 40, 20, 40], [10, 20, 5, 10]])[:, :, None]
    >>> counts = np.ones((4, 1)), spliced, unspliced, np.ones((4, 2))
    >>> members = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])[:, :, None]
    >>> groups = [Instruments(spliced * cells, *counts) for cells in members]
    >>> engine.group_ratios(groups, centred=False).gamma.tolist()
    [[0.5], [0.25]]
    """
    over_rows = partial(for_rows, n_rows=len(groups[0].h), n_threads=n_threads)
    return GroupRatios.from_instruments(groups, centred=centred, over_rows=over_rows)
