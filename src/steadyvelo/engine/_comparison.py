"""Ratios of groups of cells over gene blocks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from steadyvelo.model import GroupRatios

from ._threads import gene_slices, in_threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ._fit_rule import FitRule
    from ._moment_source import MomentSource
    from ._threads import Progress
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
    """Fit every gene in every group of cells.

    Parameters
    ----------
    source
        Where smoothed abundances and counts come from.
    rules
        How to fit each group; all with one offset mode.
    uncertainty
        How to find errors of the ratios.
    genes_per_block
        Genes held at a time.
    samples
        Number of each cell's sample, shape (cells,); None means that cells are independent.
    n_threads
        Number of threads.
    progress
        Called with the share done, in (0, 1].
    """
    if samples is not None:
        samples = samples[source.order.cell_of_row]
    parts = []
    for block in source.blocks(genes_per_block, n_threads):
        groups = uncertainty.instruments(block, rules, n_threads=n_threads)
        parts += in_threads(
            [
                partial(
                    GroupRatios.from_instruments,
                    [group.of_genes(genes) for group in groups],
                    centred=rules[0].offset is not False,
                    samples=samples,
                )
                for genes in gene_slices(block.spliced.shape[1], _GENES_PER_TASK)
            ],
            n_threads,
        )
        if progress is not None:
            progress(block.genes.stop / source.n_genes)
    return GroupRatios.join(parts)
