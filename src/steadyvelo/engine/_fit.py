"""Fit of all genes, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo.model import RatioErrors, RatioFit, SufficientStatistics
from steadyvelo.model._join import joined

from ._kernels._gather import place_rows
from ._scratch import Scratch
from ._threads import Progress, for_genes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray

    from steadyvelo.model import Instruments
    from steadyvelo.model._typing import BoolArray, Float64Array, TextArray

    from ._fit_rule import FitRule
    from ._moment_source import MomentBlock, MomentSource
    from ._refit import Refit
    from ._second_order import FirstMoments, SecondOrder
    from ._uncertainty import Uncertainty

    # gets a block, its fits and its instruments: of the fit, of the test of an offset if it needs
    # its own, and of the further rules
    Consumer: TypeAlias = Callable[[MomentBlock, "FitResult", list[Instruments]], None]

__all__ = ["FitResult", "fit_block", "fit_ratios"]

NO_INSTRUMENTS = "no spliced counts in the cells used for the cross-fit of this gene"

# number of genes that a thread fits at a time, so that their values remain in its cache
_GENES_PER_TASK = 32


@dataclass(frozen=True, eq=False)
class FitResult:
    """Fits of some genes, each of shape (genes,).

    Attributes
    ----------
    gamma, offset
        Ratio and offset; NaN if there is no fit.
    ordinary_gamma, r2
        Ratio and R² of least squares on smoothed values. The ratio differs from `gamma` if the
        errors replace the fit, or if the gene was fitted again with second moments.
    reason
        The reason if a gene has no fit, otherwise the empty string.
    n_cells
        Number of cells with a weight above 0; of first moments if the gene was fitted again.
    spliced_max, unspliced_max
        Largest smoothed abundances.
    errors
        Errors of the ratios; NaN if none were requested.
    refitted, offset2
        Whether the gene was fitted again with second moments, and the offset of these; NaN if it
        was not.
    at_bound
        Whether the line is at a bound of the rule.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> spliced, every = np.array([[1.0, 0.0], [3.0, 0.0]]), np.ones(2, dtype=bool)
    >>> order = engine.CellOrder.identity(2)
    >>> source = engine.LayerSource(spliced, spliced, np.arange(2), order)
    >>> rule = engine.FitRule("all", (None, 0.95), False, every, every, "fit")
    >>> fit = engine.fit_ratios(source, rule, genes_per_block=2)
    >>> fit.gamma
    array([ 1., nan])
    """

    gamma: Float64Array
    offset: Float64Array
    ordinary_gamma: Float64Array
    r2: Float64Array
    reason: TextArray
    n_cells: NDArray[np.int64]
    spliced_max: Float64Array
    unspliced_max: Float64Array
    errors: RatioErrors
    refitted: BoolArray
    offset2: Float64Array
    at_bound: BoolArray


@dataclass(frozen=True, eq=False)
class _OrdinaryFit:
    """Least squares on the smoothed values of some genes, and sums for the rest of the result.

    R² of any line is computed from `overall`, the sums over all cells.
    """

    fit: RatioFit
    overall: SufficientStatistics
    n_cells: NDArray[np.int64]
    spliced_max: Float64Array
    unspliced_max: Float64Array

    def result(
        self, rule: FitRule, fit: RatioFit, errors: RatioErrors, again: Refit | None = None
    ) -> FitResult:
        """Return the result with the final lines and their errors."""
        every = rule.r2 == "all_cells"
        line = rule.solve(self.overall) if every else self.fit
        n_cells, refitted = self.n_cells, np.zeros(len(self.n_cells), dtype=bool)
        offset2 = np.full(len(n_cells), np.nan)
        if again is not None:
            n_cells = again.among(n_cells, again.n_cells)
            refitted[again.columns], offset2[again.columns] = True, again.fit.offset2
        return FitResult(
            fit.gamma,
            fit.offset,
            self.fit.gamma,
            self.overall.r2(line.gamma, line.offset),
            fit.reason,
            n_cells,
            self.spliced_max,
            self.unspliced_max,
            errors,
            refitted,
            offset2,
            fit.at_bound,
        )


def fit_ratios(
    source: MomentSource,
    rule: FitRule,
    *,
    genes_per_block: int,
    uncertainty: Uncertainty | None = None,
    second: SecondOrder | None = None,
    test_offset: bool = True,
    n_threads: int = 1,
    consume: Consumer | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Fit every gene of a source, one block after the other.

    Ratios have errors if `uncertainty` is given, which needs a source that keeps counts; offsets
    are tested if it can do this, unless `test_offset` is False. With `second`, velocity genes are
    fitted again to first and second moments together, which needs a source that keeps counts;
    `uncertainty` must then be :class:`SandwichErrors`. `consume` is called with every block, its
    fits and its instruments before the next block is made; without `uncertainty` there are no
    instruments.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> spliced, every = np.array([[1.0, 2.0], [3.0, 5.0]]), np.ones(2, dtype=bool)
    >>> order = engine.CellOrder.identity(2)
    >>> source = engine.LayerSource(spliced, spliced * [0.5, 0.25], np.arange(2), order)
    >>> rule = engine.FitRule("all", (None, 0.95), False, every, every, "fit")
    >>> engine.fit_ratios(source, rule, genes_per_block=1).gamma
    array([0.5 , 0.25])
    """
    results, genes = [], []
    scratch = Scratch()
    order = None if uncertainty is None else uncertainty.gene_order(genes_per_block)
    for block in source.blocks(genes_per_block, n_threads, progress, order):
        rules = [rule]
        if uncertainty is not None and test_offset:
            rules = uncertainty.rules_for(rule)
        result, made = fit_block(block, rule, uncertainty, second, rules, scratch, n_threads)
        if consume is not None:
            consume(block, result, made)
        results.append(result)
        genes.append(block.genes)
    return joined(results, genes)


def fit_block(
    block: MomentBlock,
    rule: FitRule,
    uncertainty: Uncertainty | None,
    second: SecondOrder | None,
    rules: list[FitRule],
    scratch: Scratch,
    n_threads: int,
) -> tuple[FitResult, list[Instruments]]:
    """Fit all genes of a block; return the fits, and the instruments under the rules."""
    n_genes = block.spliced.shape[1]
    weights = None
    if uncertainty is not None and not uncertainty.replaces_fit:
        weights = scratch.array("weights", block.spliced.shape, rule.weights_dtype)
    fit_genes = partial(_fit_genes, block, rule, second, weights)
    parts = for_genes(fit_genes, n_genes, _GENES_PER_TASK, n_threads)
    ordinary = joined([part for part, _ in parts])
    missing, again = RatioErrors.missing(n_genes), None
    if second is not None:
        first = joined([moments for _, moments in parts if moments is not None])
        fitted = ordinary.result(rule, ordinary.fit, missing)
        again = second.refit(block, rule, fitted, first, uncertainty, n_threads)
    fit = ordinary.fit if again is None else again.in_lines(ordinary.fit)
    if uncertainty is None:
        return ordinary.result(rule, fit, missing, again), []
    known = None if weights is None else [weights]
    made = uncertainty.instruments(block, rules, known, n_threads)
    errors = uncertainty.errors(
        made,
        rule.offset,
        with_offset=None if uncertainty.replaces_fit else ordinary.fit.offset != 0,
        n_threads=n_threads,
    )
    errors = errors if again is None else again.in_errors(errors)
    fit = _replaced(fit, errors) if uncertainty.replaces_fit else fit
    return ordinary.result(rule, fit, errors, again), made


def _fit_genes(
    block: MomentBlock,
    rule: FitRule,
    second: SecondOrder | None,
    weights_out: NDArray[np.generic] | None,
    genes: slice,
) -> tuple[_OrdinaryFit, FirstMoments | None]:
    """Fit some genes of a block, and write their weights to `weights_out` if it is given.

    The sums of first moments for `second` are computed if it is given.
    """
    spliced, unspliced = block.by_gene(genes)
    places, first = block.genes[genes], None
    weights = rule.weigh(spliced, unspliced, places)
    if weights_out is not None:
        place_rows(weights, block.order.row_of_cell, weights_out[:, genes])
    if second is not None:
        first = second.first_moments(rule, spliced, unspliced, places, weights)
    statistics = SufficientStatistics.from_gene_rows(spliced, unspliced, weights)
    ordinary = _OrdinaryFit(
        rule.solve(statistics),
        SufficientStatistics.from_gene_rows(spliced, unspliced, rule.cells[None, :]),
        np.broadcast_to(np.count_nonzero(weights, axis=1), len(spliced)),
        spliced.max(axis=1, initial=0.0),
        unspliced.max(axis=1, initial=0.0),
    )
    return ordinary, first


def _replaced(fit: RatioFit, errors: RatioErrors) -> RatioFit:
    """Return the lines from instruments, for genes that also have an ordinary fit."""
    none = (fit.reason == "") & np.isnan(errors.gamma)
    reason = np.where(none, NO_INSTRUMENTS, fit.reason)
    gamma, offset = (np.where(reason == "", x, np.nan) for x in (errors.gamma, errors.offset))
    return RatioFit(gamma, offset, reason, fit.at_bound)
