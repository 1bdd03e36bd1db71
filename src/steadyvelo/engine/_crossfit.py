"""Errors of ratios in gene blocks, from instruments of other cells and other genes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo.model._instruments import SCORE
from steadyvelo.model._kernels import spread_instruments

from ._errors import BlockErrors, ErrorRule
from ._sources import by_gene
from ._threads import gene_slices, in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import Instruments, RatioErrors, RatioFit
    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, IntArray

    from ._errors import Known
    from ._fit import FitRule
    from ._smoothing import SmoothingOperator
    from ._sources import MomentBlock

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
        shape = (len(rules), block.spliced.shape[1], block.spliced.shape[0])
        h, h0 = np.zeros((2, *shape), dtype=np.float32)
        for split in self.splits:
            for fold in (0, 1):
                columns = np.flatnonzero(split.gene_fold[block.genes] == fold)
                if len(columns) > 0:
                    made = _Folds(block, rules, split, fold, columns, h, h0)
                    made.add(n_threads)
        h /= len(self.splits)
        h0 /= len(self.splits)
        return _BlockCrossFit(self, block, rules, h, h0)


@dataclass(frozen=True, eq=False)
class _Folds:
    """The genes of one fold in a block, and the instruments they get in one split."""

    block: MomentBlock
    rules: list[FitRule]
    split: Split
    fold: int
    columns: IntArray
    h: Float32Array
    h0: Float32Array

    def add(self, n_threads: int) -> None:
        """Add to the instruments of all cells what cells of the other fold say."""
        spliced, unspliced = (values[:, self.columns] for values in self.block.kept_counts)
        parts = gene_slices(len(self.columns), _GENES_PER_TASK)
        for cells in (0, 1):
            responders = self.split.cell_fold == cells
            others = self.split.graphs[self.fold].without(responders).reordered(self.block.order)
            moments = others.apply(spliced, n_threads), others.apply(unspliced, n_threads)
            # every gene is in one task: no two threads write to one row
            in_threads([partial(self._spread, moments, responders, p) for p in parts], n_threads)

    def _spread(
        self, moments: tuple[Float32Array, Float32Array], responders: BoolArray, part: slice
    ) -> None:
        graph = self.split.graphs[self.fold]
        spliced, unspliced = (by_gene(values, part, self.block.order) for values in moments)
        genes = self.columns[part]
        for number, rule in enumerate(self.rules):
            weights = rule.weigh(spliced, unspliced, self.block.genes.start + genes)
            h, h0 = np.zeros((2, *spliced.shape))
            spread_instruments(graph.indptr, graph.indices, spliced, weights, responders, h, h0)
            self.h[number, genes] += h
            self.h0[number, genes] += h0


@dataclass(frozen=True, eq=False)
class _BlockCrossFit(BlockErrors):
    h: Float32Array
    h0: Float32Array

    def instruments(
        self,
        genes: slice,
        rule: int = 0,
        known: Known | None = None,  # noqa: ARG002
    ) -> Instruments:
        return self._weighed(genes, self.h[rule, genes], self.h0[rule, genes])

    def of_genes(
        self,
        genes: slice,
        known: Known,  # noqa: ARG002
        fit: RatioFit,  # noqa: ARG002
    ) -> tuple[RatioErrors, Float64Array, Float64Array]:
        weighed = self.instruments(genes)
        sums = {mode: weighed.sums(centred=mode) for mode in self.modes}
        if len(self.rules) > 1:
            test = self.instruments(genes, 1).sums(centred=False)
            for rows in sums.values():
                rows[:, SCORE] = test[:, SCORE]
        found = self._under_mode(sums)
        return found, found.gamma, found.offset
