r"""Errors from instruments that are computed from other cells and other genes.

If instruments are computed from the same counts to which they apply, γ and its error are biased: a
cell with many unspliced molecules by chance is more often an extreme cell, and a cell's neighbours
are cells with similar noise. So genes and cells are divided into two folds each. Neighbours for the
genes of one fold are found from the genes of the other fold. For the cells c of one fold, smoothed
values a and weights m are computed from the cells of the other fold, and

.. math:: h_c = \sum_i W_{ic} m_i a_i, \qquad h^0_c = \sum_i W_{ic} m_i

do not depend on :math:`\tilde u_c` and :math:`\tilde s_c`. Instruments are averaged over several
repeats, and then γ is estimated once. (Averages of intervals cover too much.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ._fit_rule import FitRule, weigh_rows
from ._gather import take_columns
from ._kernels._spreading import add_columns
from ._threads import for_genes, for_rows
from ._uncertainty import Uncertainty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import Instruments
    from steadyvelo.model._typing import Float32Array

    from ._moment_source import MomentBlock
    from ._ranked_neighbors import RankedNeighbors

__all__ = ["CrossFitErrors", "Repeat"]

_GENES_PER_TASK = 16


@dataclass(frozen=True, eq=False)
class Repeat:
    """One random division of genes and cells into two folds each.

    Attributes
    ----------
    gene_fold, cell_fold
        0 or 1 for each gene of the source, shape (genes,), and for each cell, shape (cells,).
    graphs
        The neighbours for the genes of fold 0 and of fold 1, which are found without these genes.
    direction_graphs
        The neighbours among which directions are measured; None means the nearest of `graphs`.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> graph = engine.SmoothingOperator.from_connectivities(np.ones((4, 4))).without_self()
    >>> neighbors = engine.RankedNeighbors.equal(graph)
    >>> fold = np.array([0, 1, 0, 1], dtype=np.int8)
    >>> repeat = engine.Repeat(gene_fold=fold[:2], cell_fold=fold, graphs=(neighbors,) * 2)
    >>> repeat.graphs[0].without(repeat.cell_fold == 1).indices[:2]
    array([2, 0], dtype=int32)
    """

    gene_fold: NDArray[np.int8]
    cell_fold: NDArray[np.int8]
    graphs: tuple[RankedNeighbors, RankedNeighbors]
    direction_graphs: tuple[RankedNeighbors, RankedNeighbors] | None = None


@dataclass(frozen=True, eq=False)
class CrossFitErrors(Uncertainty):
    """Instruments that do not depend on the counts to which they apply, averaged over repeats.

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
    >>> fold = np.arange(60, dtype=np.int8) % 2
    >>> neighbors = engine.RankedNeighbors.equal(graph.without_self())
    >>> repeat = engine.Repeat(fold[:4], fold, (neighbors, neighbors))
    >>> errors = engine.CrossFitErrors(scales, 0.95, None, [repeat])
    >>> fit = engine.fit_ratios(source, rule, genes_per_block=4, uncertainty=errors)
    >>> bool((abs(fit.gamma - 0.5) < 4 * fit.errors.se).all())
    True
    """

    repeats: list[Repeat]

    replaces_fit: ClassVar[bool] = True
    tests_offset: ClassVar[bool] = True

    def instruments(
        self,
        block: MomentBlock,
        rules: list[FitRule],
        weights: list[NDArray[np.generic]] | None = None,  # noqa: ARG002
        n_threads: int = 1,
    ) -> list[Instruments]:
        """Return the instruments of a block, which do not depend on the ordinary fits."""
        n_cells, n_genes = block.spliced.shape
        rules = [rule.in_order(block.order) for rule in rules]
        sums = [
            (
                np.zeros((n_cells, n_genes), dtype=np.float32),
                np.zeros((n_cells, n_genes if rule.has_offset else 0), dtype=np.float32),
            )
            for rule in rules
        ]
        for repeat in self.repeats:
            for fold in (0, 1):
                _add_fold(block, rules, repeat, fold, sums, n_threads)
        for of_rule in sums:
            for total in of_rule:
                np.divide(total, len(self.repeats), out=total)
        return [self.weighing(block, *of_rule) for of_rule in sums]


def _add_fold(
    block: MomentBlock,
    rules: list[FitRule],
    repeat: Repeat,
    fold: int,
    sums: list[tuple[Float32Array, Float32Array]],
    n_threads: int,
) -> None:
    """Add instruments of the genes of one fold to the sums of h and h0 under every rule."""
    columns = np.flatnonzero(repeat.gene_fold[block.genes] == fold)
    if len(columns) == 0:
        return
    order, graph = block.order, repeat.graphs[fold].reordered(block.order)
    shape = len(block.spliced), len(columns)
    counts = [
        take_columns(values, columns, np.empty(shape, dtype=np.float32), n_threads)
        for values in block.kept_counts
    ]
    weights = [np.empty(shape, dtype=rule.weights_dtype) for rule in rules]
    given, received, *moments = np.empty((4, *shape), dtype=np.float32)
    for cells in (0, 1):
        responders = repeat.cell_fold[order.cell_of_row] == cells
        # the cells of the other fold determine the weights of this fold's counts
        for values, smoothed in zip(counts, moments, strict=True):
            graph.means(values, ~responders, n_threads, smoothed)
        weigh = partial(weigh_rows, rules, moments, block.places[columns], weights)
        for_genes(weigh, len(columns), _GENES_PER_TASK, n_threads)
        spreading = graph.spreading(responders)
        for of_rule, (h, h0) in zip(weights, sums, strict=True):
            width = shape[1] if h0.shape[1] > 0 else 0
            given0 = np.empty((shape[0], width), dtype=np.float32)
            spreading.weigh(moments[0], of_rule, given, given0, n_threads)
            for values, total in ((given, h), (given0, h0)):
                if total.shape[1] > 0:
                    spreading.received(values, n_threads, received)
                    add = partial(add_columns, received, columns, total)
                    for_rows(add, len(total), n_threads)
