"""Fits of first and second moments together, of the velocity genes of a block.

A block's counts are multiplied cell by cell, and the products are smoothed for some cells at a
time, so that of second moments only sums over cells are kept. :mod:`steadyvelo.model` has the
equations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo.model import (
    RatioErrors,
    RatioFit,
    StackedFit,
    StackedInstruments,
    SufficientStatistics,
    fit_stacked,
    gene_criteria,
)
from steadyvelo.model._join import taken

from ._kernels._gather import place_rows, put_columns
from ._kernels._second_order import second_order_terms
from ._kernels._smoothing import smooth_rows
from ._moment_source import by_gene
from ._refit import Refit
from ._sandwich import SandwichErrors
from ._scratch import Scratch
from ._threads import for_genes, for_rows, in_threads, row_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, IntArray

    from ._fit import FitResult
    from ._fit_rule import FitRule
    from ._moment_source import MomentBlock
    from ._smoothing import SmoothingOperator
    from ._uncertainty import Uncertainty

__all__ = ["FirstMoments", "SecondOrder", "first_moment_weights"]

_GENES_PER_TASK = 32


def first_moment_weights(
    rule: FitRule,
    spliced: Float32Array,
    unspliced: Float32Array,
    places: IntArray,
    known: NDArray[Any] | None = None,
    *,
    fit_offset: bool,
) -> NDArray[Any]:
    """Return the weights of cells in the first moments of some genes, shape (1 or genes, cells).

    They are those of the rule. Where it marks extreme cells, those at the same quantiles of s alone
    are marked, too, and with an offset cells at both ends are; see :meth:`FitRule.weigh`. `known`
    are the weights of the ordinary fit.
    """
    if fit_offset:
        rule, known = rule.two_ended(), None
    weights = rule.weigh(spliced, unspliced, places) if known is None else known
    if not rule.takes_extremes:
        return weights
    alone = rule.weigh(spliced, np.zeros_like(spliced), places)
    return np.asarray((weights > 0) | (alone > 0))


@dataclass(frozen=True, eq=False)
class FirstMoments:
    """Sums of first moments with equal weights and with those of the fit, and numbers of cells."""

    every: SufficientStatistics
    weighted: SufficientStatistics
    n_cells: IntArray


@dataclass(frozen=True, eq=False)
class SecondOrder:
    """How the lines of velocity genes are fitted again with second moments.

    Attributes
    ----------
    smoothing
        The operator W between rows in the order of blocks, whose counts must be kept.
    linear
        Factor of the linear terms of second moments, shape (cells,): 1 as in scVelo, or 1 / size
        factor of spliced counts, which makes them unbiased.
    candidates
        Genes of the source that may be fitted again, shape (genes,).
    min_r2, min_gamma
        Thresholds of velocity genes, for R² and γ of the ordinary fit.
    fit_offset, fit_offset2
        Whether lines of first and of second moments have an offset.
    every
        Whether all candidates with an ordinary fit are fitted again, not only velocity genes.

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
    >>> rule = engine.FitRule("extremes", (None, 0.95), False, every, every, "fit")
    >>> second = engine.SecondOrder(graph, np.ones(60), np.ones(4, dtype=bool), 0.01, 0.01)
    >>> fit = engine.fit_ratios(source, rule, genes_per_block=4, second=second)
    >>> bool(fit.refitted.all()), bool((abs(fit.gamma - 0.5) < 0.1).all())
    (True, True)
    """

    smoothing: SmoothingOperator
    linear: Float64Array
    candidates: BoolArray
    min_r2: float
    min_gamma: float
    fit_offset: bool = False
    fit_offset2: bool = False
    every: bool = False
    scratch: Scratch = field(default_factory=Scratch)

    def first_moments(
        self,
        rule: FitRule,
        spliced: Float32Array,
        unspliced: Float32Array,
        places: IntArray,
        weights: NDArray[Any],
    ) -> FirstMoments:
        """Sum up the first moments of some genes, shape (genes, cells).

        `weights` are those of their ordinary fits under the rule; see `first_moment_weights`.
        """
        weights = first_moment_weights(
            rule, spliced, unspliced, places, weights, fit_offset=self.fit_offset
        )
        return FirstMoments(
            SufficientStatistics.from_gene_rows(spliced, unspliced, rule.fit_cells[None, :]),
            SufficientStatistics.from_gene_rows(spliced, unspliced, weights),
            np.broadcast_to(np.count_nonzero(weights, axis=1), len(spliced)),
        )

    def refit(
        self,
        block: MomentBlock,
        rule: FitRule,
        fitted: FitResult,
        first: FirstMoments,
        uncertainty: Uncertainty | None = None,
        n_threads: int = 1,
    ) -> Refit | None:
        """Fit the velocity genes of a block again; None if there are none.

        `fitted` are the ordinary fits of all genes of the block under the rule, and `first` the
        sums of their first moments.
        """
        if not (uncertainty is None or isinstance(uncertainty, SandwichErrors)):
            msg = "fits of second moments have no errors but those of SandwichErrors."
            raise ValueError(msg)
        columns = self._chosen(block, fitted)
        if len(columns) == 0:
            return None
        # what errors are computed from
        kept = len(block.spliced), 0 if uncertainty is None else len(columns)
        second = self.scratch.array("second moments", kept, np.float32)
        first = taken(first, columns)
        fit = fit_stacked(
            RatioFit(
                fitted.gamma[columns],
                fitted.offset[columns],
                fitted.reason[columns],
                fitted.at_bound[columns],
            ),
            first.every,
            first.weighted,
            self._second(block, rule, columns, second, n_threads),
            fit_offset=self.fit_offset,
            fit_offset2=self.fit_offset2,
        )
        errors = RatioErrors.missing(len(columns))
        if uncertainty is not None:
            made = self._instruments(block, rule, columns, fit, second, uncertainty, n_threads)
            over_rows = partial(for_rows, n_rows=len(block.spliced), n_threads=n_threads)
            errors = made.errors(level=uncertainty.level, over_rows=over_rows)
        return Refit(columns, fit, first.n_cells, errors)

    def _instruments(
        self,
        block: MomentBlock,
        rule: FitRule,
        columns: IntArray,
        fit: StackedFit,
        second: Float32Array,
        sandwich: SandwichErrors,
        n_threads: int,
    ) -> StackedInstruments:
        """Return the instruments of some columns with their second moments of spliced mRNA."""
        n_rows, n_genes = shape = len(second), second.shape[1]
        weights = self.scratch.array("weights", shape, rule.weights_dtype)
        weigh = partial(self._weigh, block, rule, columns, weights)
        for_genes(weigh, n_genes, _GENES_PER_TASK, n_threads)
        spreading, cells = sandwich.spreading, block.order.cell_of_row
        n_offset = n_genes if self.fit_offset else 0
        given, given0, h, h0, k = (
            self.scratch.array(name, (n_rows, width), np.float32)
            for name, width in (
                ("given", n_genes),
                ("given to offset", n_offset),
                ("h", n_genes),
                ("h of offset", n_offset),
                ("k", n_genes),
            )
        )
        # the products are not needed any more
        moments = self.scratch.array("terms", (n_rows, 1, n_genes), np.float32)
        self._pack(block.spliced, columns, moments, 0, n_threads)
        spreading.weigh(moments.reshape(shape), weights, given, given0, n_threads)
        spreading.received(given, n_threads, h)
        spreading.received(given0, n_threads, h0)
        in_fit = rule.in_order(block.order).fit_cells[:, None]
        none = np.zeros((n_rows, 0), dtype=np.float32)
        spreading.weigh(second, np.broadcast_to(in_fit, shape), given, none, n_threads)
        spreading.received(given, n_threads, k)
        k0 = none
        if self.fit_offset2:
            one = np.ones((n_rows, 1), dtype=np.float32)
            share = np.empty_like(one)
            spreading.weigh(one, in_fit, share, none, n_threads)
            k0 = spreading.received(share, n_threads)
        packed = self.scratch.array("terms", (n_rows, 2, n_genes), np.float32)
        for place, counts in enumerate(block.kept_counts):
            self._pack(counts, columns, packed, place, n_threads)
        return StackedInstruments(
            fit,
            h,
            h0,
            k,
            k0,
            packed[:, 0],
            packed[:, 1],
            self.linear[cells],
            sandwich.scales.T[cells],
            None if sandwich.samples is None else sandwich.samples[cells],
        )

    def _chosen(self, block: MomentBlock, fitted: FitResult) -> IntArray:
        """Return the columns of the genes to fit again."""
        chosen = (fitted.reason == "") & self.candidates[block.genes]
        if not self.every:
            chosen &= gene_criteria(
                fitted.gamma,
                fitted.r2,
                spliced_max=fitted.spliced_max,
                unspliced_max=fitted.unspliced_max,
                min_r2=self.min_r2,
                min_gamma=self.min_gamma,
            ).velocity_genes
        return np.flatnonzero(chosen)

    def _weigh(
        self,
        block: MomentBlock,
        rule: FitRule,
        columns: IntArray,
        out: NDArray[Any],
        part: slice,
    ) -> None:
        """Write the weights in first moments of some of the columns, by rows."""
        chosen = columns[part]
        spliced, unspliced = (
            by_gene(x, chosen, block.order) for x in (block.spliced, block.unspliced)
        )
        places, with_offset = block.genes[chosen], self.fit_offset
        weights = first_moment_weights(rule, spliced, unspliced, places, fit_offset=with_offset)
        place_rows(weights, block.order.row_of_cell, out[:, part])

    def _second(
        self,
        block: MomentBlock,
        rule: FitRule,
        columns: IntArray,
        second_out: Float32Array,
        n_threads: int,
    ) -> SufficientStatistics:
        """Sum up the second moments of some columns, and write those of spliced mRNA."""
        n_rows, n_genes = len(block.spliced), len(columns)
        terms = self.scratch.array("terms", (n_rows, 2 * n_genes), np.float32)
        linear = self.linear[block.order.cell_of_row]
        multiply = partial(second_order_terms, *block.kept_counts, linear, columns, terms)
        for_rows(multiply, n_rows, n_threads)
        in_fit = rule.in_order(block.order).fit_cells
        indptr, indices = self.smoothing.indptr, self.smoothing.indices

        def of_rows(start: int, stop: int) -> SufficientStatistics:
            means = np.empty((stop - start, 2 * n_genes), dtype=np.float32)
            smooth_rows(indptr[start : stop + 1], indices, terms, means, 0, stop - start)
            second_out[start:stop] = means[:, : second_out.shape[1]]
            a, b = np.ascontiguousarray(means.T).reshape(2, n_genes, stop - start)
            return SufficientStatistics.from_gene_rows(a, b, in_fit[None, start:stop])

        # chunks do not depend on the number of threads, so that sums do not either
        chunks = row_chunks(n_rows, 1)
        return reduce(add, in_threads([partial(of_rows, *chunk) for chunk in chunks], n_threads))

    @staticmethod
    def _pack(
        values: Float32Array, columns: IntArray, out: Float32Array, place: int, n_threads: int
    ) -> None:
        for_rows(partial(put_columns, values, columns, out, place), len(values), n_threads)
