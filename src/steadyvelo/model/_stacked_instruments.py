r"""Errors of ratios that are fitted to first and second moments together.

As in :mod:`._instruments`, the order of sums over the cells of the fit and over their neighbours is
exchanged. Second moments are means, too: :math:`a = W \tilde a` and :math:`b = W \tilde b` of

.. math:: \tilde a_c = \tilde s_c (2 \tilde s_c - d_c), \qquad
    \tilde b_c = \tilde u_c (2 \tilde s_c + d_c)

with d = 1 in scVelo's second moments. With :math:`h = W^\top (m \circ M_s)` and
:math:`k = W^\top a`, the equation of γ is a sum over the cells' own counts,

.. math:: \sum_c \bigl[ w_1 h_c (\tilde u_c - \gamma \tilde s_c)
    + w_2 k_c (\tilde b_c - \gamma \tilde a_c) \bigr] = 0

with the weights :math:`w_1` and :math:`w_2` of both blocks. Its terms belong to different cells,
so the variance of γ is the sum of their squares, divided by the square of :math:`D = \sum_c
[w_1 h_c \tilde s_c + w_2 k_c \tilde a_c]`. The weights are treated as known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ._group_moments import group_sums
from ._ratio_errors import RatioErrors
from ._score_sums import ScoreSums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._instruments import CellRows, OverRows
    from ._second_order import StackedFit
    from ._typing import Float64Array

__all__ = ["StackedInstruments"]

# cells whose scores are computed at a time, so that they remain in the processor's cache
_ROWS = 256
# sums over cells that are fields of ScoreSums, in order
_SUMS = (
    "unspliced",
    "spliced",
    "unspliced_squares",
    "products",
    "spliced_squares",
    "poisson",
    "instrument_squares",
    "instrument_fourth_powers",
    "molecule_squares",
    "h_spliced",
    "h_unspliced",
)
# fields of ScoreSums for lines with an offset, which have another form here
_OF_OFFSETS = (
    "offset_score",
    "offset_score_squares",
    "offset_unspliced_squares",
    "offset_products",
    "offset_spliced_squares",
    "mixed_unspliced",
    "mixed_products",
    "mixed_spliced",
)


@dataclass(frozen=True, eq=False)
class StackedInstruments:
    r"""Instruments of both blocks, and the counts to which they apply.

    Attributes
    ----------
    fit
        Ratios, offsets and weights of the blocks.
    h, h0
        :math:`W^\top (m \circ M_s)` and :math:`W^\top m`, shape (cells, genes). `h0` has no columns
        if the lines of first moments have no offset.
    k, k0
        :math:`W^\top a`, shape (cells, genes), and :math:`W^\top 1`, shape (cells, 1), over the
        cells of the fit. `k0` has no columns if the lines of second moments have no offset.
    spliced, unspliced
        Counts divided by size factors, not smoothed, shape (cells, genes).
    linear
        Factor d of the linear terms, shape (cells,).
    scales
        1 / size factor of the spliced and of the unspliced counts, shape (cells, 2).
    samples
        Number of each cell's sample, from 0, shape (cells,); None if cells are independent.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import StackedFit
    >>> s, u = np.array([[10.0], [20.0], [30.0]]), np.array([[6.0], [9.0], [15.0]])
    >>> half, no, none = np.array([0.5]), np.zeros(1), np.zeros((3, 0))
    >>> fit = StackedFit(half, no, no, weight=half, weight2=half)
    >>> made = StackedInstruments(fit, s, none, s * s, none, s, u, np.ones(3), np.ones((3, 2)))
    >>> errors = made.errors()
    >>> bool(errors.low[0] < errors.gamma[0] < errors.high[0])
    True
    """

    fit: StackedFit
    h: CellRows
    h0: CellRows
    k: CellRows
    k0: CellRows
    spliced: CellRows
    unspliced: CellRows
    linear: Float64Array
    scales: Float64Array
    samples: NDArray[np.intp] | None = None

    @cached_property
    def n_samples(self) -> int:
        """Number of samples; 0 if cells are independent."""
        return 0 if self.samples is None else int(self.samples.max(initial=-1)) + 1

    def errors(self, *, level: float = 0.95, over_rows: OverRows | None = None) -> RatioErrors:
        r"""Estimate γ and its errors; see :meth:`RatioErrors.from_sums`.

        The weight of the unspliced molecules of a cell is :math:`w_1 h_c + w_2 k_c (2 \tilde s_c +
        d_c)`; the variance of Poisson counts and the effective numbers of molecules and cells are
        computed with it. Offsets are not tested.

        Parameters
        ----------
        level
            Probability that the interval contains the ratio.
        over_rows
            See :meth:`Instruments.sums`.
        """
        centres = self._centres(over_rows)
        sums = self._summed(lambda rows: self._scores(rows, centres), over_rows)
        square, product, *of_samples = sums[len(_SUMS) :]
        parts = np.array(of_samples).reshape(2, self.n_samples, sums.shape[1])
        scores = ScoreSums(
            None,
            **dict(zip(_SUMS, sums, strict=False)),
            **dict.fromkeys(_OF_OFFSETS, np.zeros(sums.shape[1])),
            sample_unspliced=parts[0],
            sample_spliced=parts[1],
        )
        errors = RatioErrors.from_sums(scores, level=level)
        if self.h0.shape[1] == 0:
            return errors
        # the influence of a cell on o is its term in the mean of u − γs, minus s̄ times that on γ
        both, mean, se = product / scores.spliced, centres.spliced, errors.se
        variance = square - 2 * mean * both + (mean * se) ** 2
        if self.n_samples > 0:
            # the error of an offset between samples is not computed
            variance = np.full_like(variance, np.nan)
        return replace(
            errors,
            offset=self.fit.offset,
            offset_se=np.sqrt(np.maximum(variance, 0.0)),
            covariance=np.where(np.isnan(variance), np.nan, both - mean * se * se),
        )

    def _scores(self, rows: slice, centres: _Centres) -> Float64Array:
        """Return sums over some cells: those in :data:`_SUMS`, of the offset, and of samples."""
        fit, (h, h0, k, k0) = self.fit, self._instruments(rows)
        s, u, a, b, d = self._counts(rows)
        q = fit.weight * (h - centres.share * h0)
        q2 = fit.weight2 * (k - centres.share2 * k0)
        above = q * (u - centres.unspliced) + q2 * (b - centres.second_unspliced)
        below = q * (s - centres.spliced) + q2 * (a - centres.second_spliced)
        # weights of unspliced molecules, after and before centring
        of_unspliced = q + q2 * (2 * s + d)
        given = fit.weight * h + fit.weight2 * k * (2 * s + d)
        square = of_unspliced**2
        spliced_scale, unspliced_scale = self.scales[rows, :1], self.scales[rows, 1:]
        of_mean = centres.inverse * h0 * (u - fit.gamma * s - fit.offset)
        terms = (
            above,
            below,
            above**2,
            above * below,
            below**2,
            square * (spliced_scale * u + unspliced_scale * s),
            square,
            square**2,
            given**2 * unspliced_scale * u,
            np.abs(below),
            given * u,
            of_mean**2,
            of_mean * (above - fit.gamma * below),
        )
        sums = [np.stack([term.sum(axis=0) for term in terms])]
        if self.samples is not None:
            codes = self.samples[rows]
            sums += [group_sums(score, codes, self.n_samples) for score in (above, below)]
        return np.concatenate(sums)

    def _centres(self, over_rows: OverRows | None) -> _Centres:
        """Return what counts and instruments of lines with an offset are centred by."""

        def sums(rows: slice) -> Float64Array:
            h, h0, k, k0 = self._instruments(rows)
            s, u, a, b, _ = self._counts(rows)
            every = np.ones_like(s)
            terms = (h, h0 * every, h0 * s, h0 * u, k, k0 * every, k0 * a, k0 * b)
            return np.stack([term.sum(axis=0) for term in terms])

        h, h0, spliced, unspliced, k, k0, second, second_unspliced = self._summed(sums, over_rows)
        inverse, inverse2 = (np.where(x > 0, 1.0 / np.where(x > 0, x, 1.0), 0.0) for x in (h0, k0))
        return _Centres(
            inverse,
            inverse * h,
            inverse * spliced,
            inverse * unspliced,
            inverse2 * k,
            inverse2 * second,
            inverse2 * second_unspliced,
        )

    def _instruments(self, rows: slice) -> list[Float64Array]:
        """Return h, h⁰, k and k⁰ of some cells; a column of 0 for those of offsets not fitted."""
        found = [x[rows].astype(np.float64) for x in (self.h, self.h0, self.k, self.k0)]
        return [x if x.shape[1] > 0 else np.zeros((len(x), 1)) for x in found]

    def _counts(self, rows: slice) -> tuple[Float64Array, ...]:
        """Return s, u, the terms of second moments and d of some cells."""
        s, u = self.spliced[rows].astype(np.float64), self.unspliced[rows].astype(np.float64)
        d = self.linear[rows, None]
        return s, u, s * (2 * s - d), u * (2 * s + d), d

    def _summed(
        self, of_rows: Callable[[slice], Float64Array], over_rows: OverRows | None
    ) -> Float64Array:
        """Return the sums over all cells of what is computed from some rows."""
        found: dict[int, Float64Array] = {}

        def work(start: int, stop: int) -> None:
            lows = range(start, stop, _ROWS)
            found[start] = reduce(
                np.add, [of_rows(slice(low, min(low + _ROWS, stop))) for low in lows]
            )

        if over_rows is None:
            work(0, len(self.h))
        else:
            over_rows(work)
        # added in the order of the cells, so that results do not depend on the order of threads
        total: Float64Array = reduce(np.add, [found[start] for start in sorted(found)])
        return total


class _Centres(NamedTuple):
    """Values by which instruments and counts are centred, (genes,); 0 for lines without offset."""

    # 1 / Σh⁰, Σh / Σh⁰, and means of s and u under h⁰
    inverse: Float64Array
    share: Float64Array
    spliced: Float64Array
    unspliced: Float64Array
    # Σk / Σk⁰, and means of a and b under k⁰
    share2: Float64Array
    second_spliced: Float64Array
    second_unspliced: Float64Array
