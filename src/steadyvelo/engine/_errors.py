"""Errors of ratios in gene blocks, from the instruments of the fit itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from steadyvelo.model import Instruments
from steadyvelo.model._instruments import N_SUMS, ratio_errors
from steadyvelo.model._kernels import spread_instruments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import RatioErrors, RatioFit
    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, GeneRows

    from ._fit import FitRule
    from ._smoothing import SmoothingOperator
    from ._sources import MomentBlock

    # Ms by gene, and the weights of the fit
    Known: TypeAlias = tuple[Float32Array, NDArray[np.generic]]

__all__ = ["BlockErrors", "ErrorRule", "Known", "Sandwich"]

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
