"""The common interface of the two methods for errors of ratios: sandwich and cross-fitting.

Both compute, for a gene block, the weight of each cell's counts in each fit. From these instruments
(:class:`steadyvelo.model.Instruments`), errors, intervals, comparisons of groups, and each cell's
influence on a line are computed in the same way for both methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from steadyvelo.model import Instruments, RatioErrors

from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._ratio import OffsetMode
    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, IntArray

    from ._fit_rule import FitRule
    from ._moment_source import MomentBlock

__all__ = ["Uncertainty"]


@dataclass(frozen=True, eq=False)
class Uncertainty(ABC):
    """A method for errors of ratios.

    Attributes
    ----------
    scales
        1 / size factor of the spliced and of the unspliced counts, shape (2, cells).
    level
        Probability that the interval contains the ratio.
    samples
        Number of each cell's sample, shape (cells,); None if cells are independent.
    replaces_fit
        Whether its ratios replace those of the ordinary fit.
    tests_offset
        Whether it can test an offset of lines that are fitted without one.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> every, scales = np.ones(5, dtype=bool), np.ones((2, 5))
    >>> rule = engine.FitRule("extremes", (None, 0.75), False, every, every, "fit")
    >>> errors: engine.Uncertainty = engine.CrossFitErrors(scales, 0.95, None, repeats=[])
    >>> [one.quantiles for one in errors.rules_for(rule)]
    [(None, 0.75), (0.25, 0.75)]
    """

    scales: Float64Array
    level: float
    samples: NDArray[np.intp] | None

    replaces_fit: ClassVar[bool]
    tests_offset: ClassVar[bool]

    @abstractmethod
    def instruments(
        self,
        block: MomentBlock,
        rules: list[FitRule],
        weights: list[NDArray[np.generic]] | None = None,
        n_threads: int = 1,
    ) -> list[Instruments]:
        """Return the instruments of all genes of a block with counts, for each of some rules.

        Weights in the ordinary fits, shape (rows, genes) for each rule, are computed if they are
        needed and not given. Rows are in the order of the block. The instruments of the next block
        overwrite those that are returned.
        """

    def gene_order(self, genes_per_block: int) -> IntArray | None:  # noqa: ARG002
        """Return the order in which blocks of genes need least work; None means any order."""
        return None

    def rules_for(self, rule: FitRule) -> list[FitRule]:
        """Return the rule of a fit, and the rule of the test of an offset if it differs."""
        if not self.tests_offset:
            return [rule]
        both_ends = rule.two_ended()
        test = replace(both_ends, tests_offset=True)
        return [test] if both_ends is rule else [rule, test]

    def errors(
        self,
        instruments: list[Instruments],
        offset: OffsetMode,
        *,
        with_offset: BoolArray | None = None,
        n_threads: int = 1,
    ) -> RatioErrors:
        """Return the errors of a block's genes from their instruments under :meth:`rules_for`.

        If `offset` is ``"nonnegative"``, `with_offset` marks the genes with an offset, shape
        (genes,). If it is None, these are the genes whose instruments give a positive offset.
        """
        fitted, *tests = instruments
        over_rows = partial(for_rows, n_rows=len(fitted.h), n_threads=n_threads)
        scores_of_offset = [test.sums(centred=False, over_rows=over_rows) for test in tests]

        def of_lines(*, centred: bool) -> RatioErrors:
            sums = fitted.sums(centred=centred, over_rows=over_rows)
            for score in scores_of_offset:
                sums = sums.testing(score)
            return RatioErrors.from_sums(sums, level=self.level)

        if offset != "nonnegative":
            return of_lines(centred=offset)
        through_origin, free = of_lines(centred=False), of_lines(centred=True)
        return free.where(free.offset >= 0 if with_offset is None else with_offset, through_origin)

    def weighing(self, block: MomentBlock, h: Float32Array, h0: Float32Array) -> Instruments:
        """Return instruments together with the counts of a block to which they apply."""
        cells = block.order.cell_of_row
        return Instruments(
            h,
            h0,
            *block.kept_counts,
            np.ascontiguousarray(self.scales.T[cells]),
            None if self.samples is None else self.samples[cells],
        )
