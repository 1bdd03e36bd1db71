"""Ratios of groups of cells over gene blocks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from steadyvelo.model import GroupRatios

from ._threads import gene_slices, in_threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ._errors import BlockErrors, ErrorRule
    from ._fit import FitRule
    from ._moment_source import MomentSource
    from ._threads import Progress

__all__ = ["fit_groups"]

_GENES_PER_TASK = 8


def fit_groups(
    source: MomentSource,
    rules: list[FitRule],
    errors: ErrorRule,
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
    errors
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
    parts = []
    for block in source.blocks(genes_per_block, n_threads):
        n_block = block.spliced.shape[1]
        of_block = errors.of_block(block, rules, n_threads)
        tasks = gene_slices(n_block, _GENES_PER_TASK)
        parts += in_threads(
            [partial(_ratios, of_block, task, samples) for task in tasks], n_threads
        )
        if progress is not None:
            progress(block.genes.stop / source.n_genes)
    return GroupRatios.join(parts)


def _ratios(of_block: BlockErrors, genes: slice, samples: NDArray[np.intp] | None) -> GroupRatios:
    return GroupRatios.from_instruments(
        [of_block.instruments(genes, number) for number in range(len(of_block.rules))],
        centred=of_block.rules[0].offset is not False,
        samples=samples,
    )
