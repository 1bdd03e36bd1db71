"""Errors of ratios in gene blocks: instruments of the fit itself, or of other cells and genes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from steadyvelo.model import Instruments
from steadyvelo.model._instruments import N_SUMS, SCORE, ratio_errors
from steadyvelo.model._kernels import spread_instruments

from ._sources import NO_COUNTS, by_gene
from ._threads import gene_slices, in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import RatioErrors, RatioFit
    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, GeneRows, IntArray

    from ._fit import FitRule
    from ._smoothing import SmoothingOperator
    from ._sources import MomentBlock

    # Ms by gene, and the weights of the fit
    Known: TypeAlias = tuple[Float32Array, NDArray[np.generic]]

__all__ = ["BlockErrors", "CrossFit", "ErrorRule", "Sandwich", "Split"]

_GENES_PER_TASK = 16
# all cells receive
_EVERY = np.zeros(0, dtype=bool)


@dataclass(frozen=True, eq=False)
class ErrorRule(ABC):
    """How errors of ratios are found.

    Attributes
    ----------
    scales
        1 / size factor of the spliced and of the unspliced counts, shape (2, cells).
    level
        Probability with which intervals cover the ratio.
    batches
        Number of each cell's batch, shape (cells,); None means that cells are independent.
    """

    scales: Float64Array
    level: float
    batches: NDArray[np.intp] | None

    def rules_of_fit(self, rule: FitRule) -> list[FitRule]:
        """Return the rule of a fit and those that its tests need."""
        return [rule]

    @abstractmethod
    def of_block(self, block: MomentBlock, rules: list[FitRule], n_threads: int) -> BlockErrors:
        """Prepare what the genes of a block share, for one or more ways to fit them."""


@dataclass(frozen=True, eq=False)
class BlockErrors(ABC):
    """Errors of the ratios of the genes in a block.

    Attributes
    ----------
    errors
        How they are found.
    block
        The genes.
    rules
        How the genes are fitted.
    """

    errors: ErrorRule
    block: MomentBlock
    rules: list[FitRule]

    @abstractmethod
    def instruments(self, genes: slice, rule: int = 0, known: Known | None = None) -> Instruments:
        """Return the instruments of some genes under one of the rules.

        `known` are Ms by gene and the weights of that rule, where they were made already.
        """

    @abstractmethod
    def of_genes(
        self, genes: slice, known: Known, fit: RatioFit
    ) -> tuple[RatioErrors, Float64Array, Float64Array]:
        """Return errors, and γ and offset to be used, of some genes under the first rule."""

    def line_influences(
        self, genes: slice, gamma: Float64Array, offset: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Return how each cell moves the lines of some genes, in the cells' own order."""
        return self.instruments(genes).line_influences(gamma, offset)

    def _weighed(self, genes: slice, h: GeneRows, h0: GeneRows) -> Instruments:
        counts = self.block.counts_by_gene(genes)
        return Instruments(h, h0, *counts, self.errors.scales, self.errors.batches)

    def _under_mode(
        self, sums: dict[bool, Float64Array], centred: BoolArray | None = None
    ) -> RatioErrors:
        """Return the errors under the offset mode of the first rule.

        `sums` are those of :meth:`Instruments.sums` for each of :attr:`modes`. `centred` tells
        which genes have an offset under ``"nonnegative"``; None leaves it to the sign of the offset
        that the instruments give.
        """
        batches = self.errors.batches
        n_batches = None if batches is None else int(batches.max() + 1)
        found = {
            mode: ratio_errors(values, centred=mode, level=self.errors.level, n_batches=n_batches)
            for mode, values in sums.items()
        }
        if len(found) == 1:
            return next(iter(found.values()))
        choose = found[True].offset >= 0 if centred is None else centred
        return found[True].where(choose, found[False])

    @property
    def modes(self) -> tuple[bool, ...]:
        """With and without an offset, whichever the first rule needs."""
        offset = self.rules[0].offset
        return (offset,) if isinstance(offset, bool) else (True, False)


@dataclass(frozen=True, eq=False)
class Sandwich(ErrorRule):
    r"""The ordinary fit, with errors that know how counts were smoothed.

    The instrument of a cell is :math:`h = W^\top (m \circ Ms)`, with the weights m of the fit.

    Attributes
    ----------
    smoothing
        The operator W between cells.
    """

    smoothing: SmoothingOperator

    def of_block(
        self,
        block: MomentBlock,
        rules: list[FitRule],
        n_threads: int,  # noqa: ARG002
    ) -> BlockErrors:
        """Nothing is shared: instruments are made gene by gene."""
        return _BlockSandwich(self, block, rules, self.smoothing)


@dataclass(frozen=True, eq=False)
class _BlockSandwich(BlockErrors):
    smoothing: SmoothingOperator

    def instruments(self, genes: slice, rule: int = 0, known: Known | None = None) -> Instruments:
        if known is None:
            spliced, unspliced = self.block.by_gene(genes)
            columns = self.block.genes.start + np.arange(genes.start, genes.stop)
            known = spliced, self.rules[rule].weigh(spliced, unspliced, columns)
        h, h0 = self._empty(known[0].shape)
        self._spread(*known, h, h0)
        return self._weighed(genes, h, h0)

    def of_genes(
        self, genes: slice, known: Known, fit: RatioFit
    ) -> tuple[RatioErrors, Float64Array, Float64Array]:
        spliced, weights = known
        counts = self.block.counts_by_gene(genes)
        sums = {mode: np.empty((len(spliced), N_SUMS)) for mode in self.modes}
        # instruments of one gene at a time, in memory that stays in the cache
        h, h0 = self._empty((1, spliced.shape[1]))
        for g in range(len(spliced)):
            one = slice(g, g + 1)
            self._spread(spliced[one], weights[one] if len(weights) > 1 else weights, h, h0)
            weighed = Instruments(
                h, h0, counts[0][one], counts[1][one], self.errors.scales, self.errors.batches
            )
            for mode, rows in sums.items():
                rows[one] = weighed.sums(centred=mode)
        return self._under_mode(sums, fit.offset != 0), fit.gamma, fit.offset

    def _empty(self, shape: tuple[int, int]) -> tuple[Float32Array, Float32Array]:
        """Return room for instruments; those of an offset only where there is one.

        The test of an offset would reject far too often with these instruments.
        """
        offset = self.rules[0].offset is not False
        return (
            np.empty(shape, dtype=np.float32),
            np.empty((shape[0], shape[1] if offset else 0), dtype=np.float32),
        )

    def _spread(
        self,
        spliced: Float32Array,
        weights: NDArray[np.generic],
        h: Float32Array,
        h0: Float32Array,
    ) -> None:
        """Write the instruments of some genes."""
        h[:] = h0[:] = 0
        graph = self.smoothing
        spread_instruments(graph.indptr, graph.indices, spliced, weights, _EVERY, h, h0)


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
        if self.block.counts is None:
            raise ValueError(NO_COUNTS)
        spliced, unspliced = (values[:, self.columns] for values in self.block.counts)
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
