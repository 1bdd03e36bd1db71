"""Errors of ratios in gene blocks, from the instruments of the fit itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo.model import Instruments
from steadyvelo.model._instruments import ratio_errors, sums_over_rows

from ._kernels._spreading import clear_rows
from ._moment_source import by_gene
from ._scratch import Scratch
from ._threads import for_rows, gene_slices, in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import RatioErrors
    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array

    from ._fit import FitRule
    from ._moment_source import MomentBlock
    from ._spreading import Spreading

__all__ = ["BlockErrors", "ErrorRule", "Sandwich"]

_GENES_PER_TASK = 32


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
    def by_row(self, genes: slice, rule: int = 0) -> tuple[Float32Array, Float32Array]:
        """Return the instruments of slope and offset of some genes under one of the rules.

        Shape (rows, genes); those of the offset may have no columns.
        """

    @abstractmethod
    def estimate(self, n_threads: int) -> RatioErrors | None:
        """Return errors that come with estimates of their own, of all genes under the first rule.

        None where they are those of the fit: :meth:`note` has to see it.
        """

    @abstractmethod
    def note(self, genes: slice, spliced: Float32Array, weights: NDArray[np.generic]) -> None:
        """Take note of Ms of some genes, by gene, and the weights of their fit."""

    @abstractmethod
    def of_fit(self, offset: Float64Array, n_threads: int) -> RatioErrors:
        """Return errors of all genes whose fits were noted and have these offsets."""

    def instruments(self, genes: slice, rule: int = 0) -> Instruments:
        """Return the instruments of some genes under one of the rules, in the cells' own order."""
        return self._weighed(genes, *self.by_row(genes, rule))

    def line_influences(
        self, genes: slice, gamma: Float64Array, offset: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Return how each cell moves the lines of some genes, in the cells' own order."""
        return self.instruments(genes).line_influences(gamma, offset)

    def _weighed(self, genes: slice, h: Float32Array, h0: Float32Array) -> Instruments:
        order, every = self.block.order, slice(None)
        return Instruments(
            by_gene(h, every, order),
            by_gene(h0, every, order) if h0.size > 0 else np.empty((h.shape[1], 0), np.float32),
            *self.block.counts_by_gene(genes),
            self.errors.scales,
            self.errors.batches,
        )

    def _sums(
        self, h: Float32Array, h0: Float32Array, modes: tuple[bool, ...], n_threads: int
    ) -> dict[bool, Float64Array]:
        """Return what errors of all genes are made from, with and without an offset."""
        if self.errors.batches is None:
            scales = np.ascontiguousarray(self.errors.scales.T[self.block.order.cell_of_row])
            threads = partial(for_rows, n_rows=len(h), n_threads=n_threads)
            return {
                mode: sums_over_rows(
                    h, h0, *self.block.kept_counts, scales, centred=mode, over_rows=threads
                )
                for mode in modes
            }

        def of_genes(genes: slice) -> list[Float64Array]:
            made = self._weighed(genes, h[:, genes], h0[:, genes])
            return [made.sums(centred=mode) for mode in modes]

        tasks = [partial(of_genes, genes) for genes in gene_slices(h.shape[1], _GENES_PER_TASK)]
        parts = in_threads(tasks, n_threads)
        return {
            mode: np.concatenate(rows)
            for mode, rows in zip(modes, zip(*parts, strict=True), strict=True)
        }

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
    spreading
        The transposed operator W between the rows of the blocks.
    scratch
        Arrays that are used again for every block.
    """

    spreading: Spreading
    scratch: Scratch = field(default_factory=Scratch)

    def of_block(
        self,
        block: MomentBlock,
        rules: list[FitRule],
        n_threads: int,
    ) -> BlockErrors:
        """Make room for what the fits will note, and for the instruments that are made of it."""
        n_offset = 0 if rules[0].offset is False else block.spliced.shape[1]
        arrays = [
            self.scratch.array(name, (len(block.spliced), width), np.float32)
            for name, width in (
                ("given", block.spliced.shape[1]),
                ("given to offset", n_offset),
                ("h", block.spliced.shape[1]),
                ("h of offset", n_offset),
            )
        ]
        for given in arrays[:2]:
            for_rows(partial(clear_rows, given), len(given), n_threads)
        return _BlockSandwich(self, block, rules, self.spreading, *arrays)


@dataclass(frozen=True, eq=False)
class _BlockSandwich(BlockErrors):
    """What cells in a fit give to the counts of their neighbours, and what these receive.

    The test of an offset would reject far too often with these instruments: without an offset there
    are none of it.
    """

    spreading: Spreading
    given: Float32Array
    given0: Float32Array
    h: Float32Array
    h0: Float32Array

    def by_row(self, genes: slice, rule: int = 0) -> tuple[Float32Array, Float32Array]:
        spliced, unspliced = self.block.by_gene(genes)
        columns = self.block.genes.start + np.arange(genes.start, genes.stop)
        weights = self.rules[rule].weigh(spliced, unspliced, columns)
        given = np.zeros(spliced.shape[::-1], dtype=np.float32)
        given0 = np.zeros_like(given) if self.given0.size > 0 else given[:, :0]
        self.spreading.weigh(spliced, weights, given, given0)
        return self.spreading.received(given), self.spreading.received(given0)

    def estimate(self, n_threads: int) -> RatioErrors | None:  # noqa: ARG002
        return None

    def note(self, genes: slice, spliced: Float32Array, weights: NDArray[np.generic]) -> None:
        self.spreading.weigh(spliced, weights, self.given[:, genes], self.given0[:, genes])

    def of_fit(self, offset: Float64Array, n_threads: int) -> RatioErrors:
        h = self.spreading.received(self.given, n_threads, self.h)
        h0 = self.spreading.received(self.given0, n_threads, self.h0)
        return self._under_mode(self._sums(h, h0, self.modes, n_threads), offset != 0)
