"""Fits over gene blocks."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import scipy.sparse as sp

from steadyvelo.model import RatioErrors, SufficientStatistics, steady_state_weights
from steadyvelo.model._extremes import halves, upper_end

from ._threads import gene_slices, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from steadyvelo.model._ratio import OffsetMode
    from steadyvelo.model._typing import (
        BoolArray,
        Float32Array,
        Float64Array,
        IntArray,
        Matrix,
        TextArray,
    )
    from steadyvelo.model._weights import Quantiles

    from ._errors import BlockErrors, ErrorRule
    from ._moment_source import MomentBlock, MomentSource
    from ._threads import Progress

__all__ = ["FitResult", "FitRule", "fit_ratios"]

NO_INSTRUMENTS = "no spliced counts among the cells the instruments reach"

# genes fitted at a time by one thread, so that their values stay in its cache
_GENES_PER_TASK = 32


@dataclass(frozen=True, eq=False)
class FitRule:
    """How every gene is fitted.

    Attributes
    ----------
    weights
        Name of a weight rule, or weights of shape (cells,) or (cells, genes of the source).
    quantiles
        Low and high quantile of the rule `"extremes"`.
    offset
        Offset mode of the fit.
    cells
        Cells that exist for the model, shape (cells,): others enter no fit and no R².
    fit_cells
        Cells among which the fit may choose, shape (cells,).
    r2
        R² of the fit itself, or of an unweighted fit to all cells.
    half
        Of the cells at the upper end of the fit those with more or with less spliced abundance than
        their median; None for all cells of the fit.
    """

    weights: str | Matrix
    quantiles: Quantiles
    offset: OffsetMode
    cells: BoolArray
    fit_cells: BoolArray
    r2: Literal["fit", "all_cells"]
    half: Literal["upper", "lower"] | None = None

    def weigh(
        self, spliced: Float32Array, unspliced: Float32Array, columns: IntArray
    ) -> NDArray[Any]:
        """Return the weights of cells in the fits of some genes.

        Parameters
        ----------
        spliced, unspliced
            Smoothed abundances from which a rule chooses, shape (genes, cells).
        columns
            Places of the genes among those of the source.

        Returns
        -------
        Shape (1 or genes, cells).
        """
        weights = self._weigh(spliced, unspliced, columns)
        if self.half is None:
            return weights
        top = upper_end(spliced, weights)
        return weights * halves(spliced, top)[self.half]

    def two_ended(self) -> FitRule:
        """Return the rule with which an offset is tested: cells at both ends where one is used.

        Among the cells at one end a line with an offset can hardly be told from one without.
        """
        low, high = self.quantiles
        if not isinstance(self.weights, str) or self.weights != "extremes" or high is None:
            return self
        return self if low is not None else replace(self, quantiles=(1 - high, high))

    def _weigh(
        self, spliced: Float32Array, unspliced: Float32Array, columns: IntArray
    ) -> NDArray[Any]:
        if isinstance(self.weights, str):
            return steady_state_weights(
                spliced,
                unspliced,
                self.weights,
                quantiles=self.quantiles,
                cells=self.fit_cells,
                out=np.empty(spliced.shape, dtype=np.bool_),
            )
        if self.weights.ndim == 1:
            return np.asarray(self.weights, dtype=np.float64)[None, :] * self.fit_cells
        block = self.weights[:, columns]
        dense = block.toarray() if sp.issparse(block) else block
        return np.ascontiguousarray(dense.T, dtype=np.float64) * self.fit_cells


@dataclass(frozen=True, eq=False)
class FitResult:
    """Fits of some genes, each of shape (genes,).

    Attributes
    ----------
    gamma, offset, r2
        Ratio, offset and share of spread explained; NaN where there is no fit.
    reason
        Why there is no fit; the empty string where there is one.
    n_cells
        Number of cells with weight in the fit.
    spliced_max, unspliced_max
        Largest smoothed abundances.
    errors
        Errors of the ratios; NaN where none were asked for.
    """

    gamma: Float64Array
    offset: Float64Array
    r2: Float64Array
    reason: TextArray
    n_cells: NDArray[np.int64]
    spliced_max: Float64Array
    unspliced_max: Float64Array
    errors: RatioErrors

    @classmethod
    def join(cls, parts: list[FitResult]) -> Self:
        """Return the results of several runs of genes as one."""
        joined: dict[str, Any] = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts])
            for f in fields(cls)
            if f.name != "errors"
        }
        return cls(**joined, errors=RatioErrors.join([part.errors for part in parts]))


def fit_ratios(
    source: MomentSource,
    rule: FitRule,
    *,
    genes_per_block: int,
    errors: ErrorRule | None = None,
    n_threads: int = 1,
    consume: Callable[[MomentBlock, FitResult], None] | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Fit every gene of a source, one block after the other.

    Parameters
    ----------
    source
        Where smoothed abundances come from; with `errors` it keeps counts.
    rule
        How to fit.
    genes_per_block
        Genes held at a time.
    errors
        How to find errors of the ratios; None for none.
    n_threads
        Number of threads.
    consume
        Called with every block and its fits before the next block is made.
    progress
        Called with the share done, in (0, 1].

    Returns
    -------
    Fits of all genes of the source.
    """
    results = []
    rules = [rule] if errors is None else errors.rules_of_fit(rule)
    for block in source.blocks(genes_per_block, n_threads):
        n_block = block.spliced.shape[1]
        of_block = None if errors is None else errors.of_block(block, rules, n_threads)
        own = None if of_block is None else of_block.estimate(n_threads)
        fits = in_threads(
            [
                partial(fit_genes, block, genes, rule, of_block, own)
                for genes in gene_slices(n_block, _GENES_PER_TASK)
            ],
            n_threads,
        )
        result = FitResult.join(fits)
        if of_block is not None:
            found = of_block.of_fit(result.offset, n_threads) if own is None else own
            result = replace(result, errors=found)
        if consume is not None:
            consume(block, result)
        results.append(result)
        if progress is not None:
            progress(block.genes.stop / source.n_genes)
    return FitResult.join(results)


def fit_genes(
    block: MomentBlock,
    genes: slice,
    rule: FitRule,
    errors: BlockErrors | None = None,
    own: RatioErrors | None = None,
) -> FitResult:
    """Fit some genes of a block, without the errors of the fits.

    Parameters
    ----------
    block
        Smoothed abundances.
    genes
        Places of the genes in the block.
    rule
        How to fit.
    errors
        What takes note of the fits, to find their errors; None for nothing.
    own
        Estimates for all genes of the block that take the place of the fitted ones; None for none.
    """
    spliced, unspliced = block.by_gene(genes)
    weights = rule.weigh(spliced, unspliced, block.genes.start + np.arange(genes.start, genes.stop))
    fit = SufficientStatistics.from_gene_rows(spliced, unspliced, weights).solve(offset=rule.offset)
    overall = SufficientStatistics.from_gene_rows(spliced, unspliced, rule.cells[None, :])
    gamma, offset = fit.gamma, fit.offset
    reason = fit.reason
    if errors is not None:
        errors.note(genes, spliced, weights)
    if own is not None:
        gamma, offset = own.gamma[genes], own.offset[genes]
        reason = np.where((reason == "") & np.isnan(gamma), NO_INSTRUMENTS, reason)
        no_fit = reason != ""
        gamma, offset = np.where(no_fit, np.nan, gamma), np.where(no_fit, np.nan, offset)
    line = gamma, offset
    if rule.r2 == "all_cells":
        unweighted = overall.solve(offset=rule.offset)
        line = unweighted.gamma, unweighted.offset
    return FitResult(
        gamma,
        offset,
        overall.r2(*line),
        reason,
        np.broadcast_to(np.count_nonzero(weights, axis=1), len(spliced)),
        spliced.max(axis=1, initial=0.0),
        unspliced.max(axis=1, initial=0.0),
        RatioErrors.missing(len(spliced)),
    )
