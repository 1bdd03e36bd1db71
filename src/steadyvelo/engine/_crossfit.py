"""Errors of ratios in gene blocks, from instruments of other cells and other genes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo.model._instruments import SCORE

from ._errors import BlockErrors, ErrorRule
from ._kernels._spreading import add_columns, clear_rows
from ._moment_source import by_gene
from ._spreading import Spreading
from ._threads import for_rows, gene_slices, in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import RatioErrors
    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray

    from ._fit import FitRule
    from ._moment_source import MomentBlock
    from ._smoothing import SmoothingOperator

__all__ = ["CrossFit", "Split"]

_GENES_PER_TASK = 16


@dataclass(frozen=True, eq=False)
class Split:
    """One way to cut genes and cells in two.

    Attributes
    ----------
    gene_fold
        0 or 1 for each gene of the source, shape (genes,).
    cell_fold
        0 or 1 for each cell, shape (cells,).
    graphs
        The operator W between cells for the genes of fold 0 and of fold 1, each made without
        these genes.
    """

    gene_fold: NDArray[np.int8]
    cell_fold: NDArray[np.int8]
    graphs: tuple[SmoothingOperator, SmoothingOperator]


@dataclass(frozen=True, eq=False)
class CrossFit(ErrorRule):
    r"""Instruments that share no count with what they weigh.

    For the genes of one fold the neighbours are found from the genes of the other. For the cells of
    one fold, smoothed values a and the weights m come from the cells of the other,
    :math:`h_c = \sum_i W_{ic} m_i a_i`. Instruments are averaged over splits.

    Attributes
    ----------
    splits
        Ways to cut genes and cells in two.
    """

    splits: list[Split]

    def rules_of_fit(self, rule: FitRule) -> list[FitRule]:
        """Add the rule with which the offset is tested, where it is another."""
        test = rule.two_ended()
        return [rule] if test is rule else [rule, test]

    def of_block(self, block: MomentBlock, rules: list[FitRule], n_threads: int) -> BlockErrors:
        """Make the instruments of all genes of a block, under every rule."""
        h, h0 = np.zeros((2, len(rules), *block.spliced.shape), dtype=np.float32)
        for split in self.splits:
            for fold in (0, 1):
                columns = np.flatnonzero(split.gene_fold[block.genes] == fold)
                if len(columns) > 0:
                    made = _Folds(block, rules, split.graphs[fold], split.cell_fold, columns, h, h0)
                    made.add(n_threads)
        h /= len(self.splits)
        h0 /= len(self.splits)
        return _BlockCrossFit(self, block, rules, h, h0)


@dataclass(frozen=True, eq=False)
class _Folds:
    """The genes of one fold in a block, and the instruments they get in one split."""

    block: MomentBlock
    rules: list[FitRule]
    graph: SmoothingOperator
    cell_fold: NDArray[np.int8]
    columns: IntArray
    h: Float32Array
    h0: Float32Array

    def add(self, n_threads: int) -> None:
        """Add to the instruments of all cells what cells of the other fold say."""
        order = self.block.order
        counts = [values[:, self.columns] for values in self.block.kept_counts]
        parts = gene_slices(len(self.columns), _GENES_PER_TASK)
        given, given0 = np.empty((2, len(self.rules), *counts[0].shape), dtype=np.float32)
        received = np.empty_like(given[0])
        graph = self.graph.reordered(order)
        for cells in (0, 1):
            responders = self.cell_fold == cells
            others = graph.without(responders[order.cell_of_row])
            moments = [others.apply(values, n_threads) for values in counts]
            spreading = Spreading.transposing(graph, order, responders)
            for values in (*given, *given0):
                for_rows(partial(clear_rows, values), len(values), n_threads)
            weigh = partial(self._weigh, spreading, moments, given, given0)
            in_threads([partial(weigh, part) for part in parts], n_threads)
            for given_by, out in ((given, self.h), (given0, self.h0)):
                for values, total in zip(given_by, out, strict=True):
                    spreading.received(values, n_threads, received)
                    add = partial(add_columns, received, self.columns, total)
                    for_rows(add, len(total), n_threads)

    def _weigh(
        self,
        spreading: Spreading,
        moments: list[Float32Array],
        given: Float32Array,
        given0: Float32Array,
        part: slice,
    ) -> None:
        """Write what the cells in the fits of some genes give to their neighbours."""
        spliced, unspliced = (by_gene(values, part, self.block.order) for values in moments)
        genes = self.block.genes.start + self.columns[part]
        for number, rule in enumerate(self.rules):
            weights = rule.weigh(spliced, unspliced, genes)
            spreading.weigh(spliced, weights, given[number][:, part], given0[number][:, part])


@dataclass(frozen=True, eq=False)
class _BlockCrossFit(BlockErrors):
    h: Float32Array
    h0: Float32Array

    def by_row(self, genes: slice, rule: int = 0) -> tuple[Float32Array, Float32Array]:
        return self.h[rule][:, genes], self.h0[rule][:, genes]

    def note(self, *_: object) -> None:
        """Nothing: the fit itself has no part in these errors."""

    def of_fit(self, offset: Float64Array, n_threads: int) -> RatioErrors:  # noqa: ARG002
        return self.estimate(n_threads)

    def estimate(self, n_threads: int) -> RatioErrors:
        sums = self._sums(self.h[0], self.h0[0], self.modes, n_threads)
        if len(self.rules) > 1:
            test = self._sums(self.h[1], self.h0[1], (False,), n_threads)[False]
            for rows in sums.values():
                rows[:, SCORE] = test[:, SCORE]
        return self._under_mode(sums)
