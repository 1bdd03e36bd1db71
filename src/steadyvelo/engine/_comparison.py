"""Ratios of groups of cells, over gene blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo.model import GroupRatios, Instruments

from ._threads import Progress, for_genes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ._fit_rule import FitRule
    from ._moment_source import MomentSource
    from ._uncertainty import Uncertainty

__all__ = ["fit_groups"]

_GENES_PER_TASK = 8


def fit_groups(
    source: MomentSource,
    rules: list[FitRule],
    uncertainty: Uncertainty,
    *,
    genes_per_block: int,
    samples: NDArray[np.intp] | None = None,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> GroupRatios:
    """Fit every gene in every group of cells, each group by its rule; all have one offset mode.

    `samples` are the numbers of the cells' samples, shape (cells,); None if cells are independent.
    """
    if samples is not None:
        samples = samples[source.order.cell_of_row]
    centred = rules[0].offset is not False
    parts = []
    for block in source.blocks(genes_per_block, n_threads, progress):
        groups = uncertainty.instruments(block, rules, n_threads=n_threads)

        def ratios(genes: slice, groups: list[Instruments] = groups) -> GroupRatios:
            chosen = [group.of_genes(genes) for group in groups]
            return GroupRatios.from_instruments(chosen, centred=centred, samples=samples)

        parts += for_genes(ratios, block.spliced.shape[1], _GENES_PER_TASK, n_threads)
    return GroupRatios.join(parts)
