r"""Estimates and errors of a ratio from instruments: scores that are independent between cells.

Least squares on smoothed values is, written out, a sum over the cells' own counts,
:math:`\sum_c h_c (u_c - \gamma s_c) = 0`, where the instrument h gathers what cell c adds to the
smoothed values of the cells in the fit. Smoothed values of neighbours depend on each other; the
terms of this sum do not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import special

from ._kernels import _STRIDE, instrument_means, instrument_scores

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray

    from ._typing import BoolArray, Float64Array, GeneRows

    # cells × genes
    Rows: TypeAlias = GeneRows

__all__ = [
    "FEWEST_MOLECULES",
    "N_SUMS",
    "SCORE",
    "Instruments",
    "RatioErrors",
    "ratio_errors",
    "sums_over_rows",
]

# below, a standard error says nothing: the estimate is far from normal
FEWEST_MOLECULES = 10.0
# what of the fit must lie outside a batch
LEAST_LEFT = 1e-3
# columns of the sums that errors are made from
N_SUMS = 16
# those of them that test an offset
SCORE = slice(11, 13)


@dataclass(frozen=True, eq=False)
class RatioErrors:
    """What the errors of a ratio tell, each of shape (genes,).

    Attributes
    ----------
    gamma, offset
        The estimate from the instruments.
    se
        Standard error of γ; NaN where fewer than :data:`FEWEST_MOLECULES` stand behind it.
    offset_se, covariance
        Standard error of the offset and its covariance with γ; NaN where `se` is, 0 without one.
    low, high
        Interval; may be open (infinite) where the data do not bound γ.
    molecules
        Effective number of unspliced molecules behind the estimate.
    effective_cells
        Effective number of cells behind it, or the number of batches.
    offset_p
        Two-sided p-value of the score test that the offset is 0; NaN without its instruments.
    """

    gamma: Float64Array
    offset: Float64Array
    se: Float64Array
    offset_se: Float64Array
    covariance: Float64Array
    low: Float64Array
    high: Float64Array
    molecules: Float64Array
    effective_cells: Float64Array
    offset_p: Float64Array

    @classmethod
    def missing(cls, n_genes: int) -> Self:
        """Return NaN for some genes."""
        return cls(*(np.full(n_genes, np.nan) for _ in fields(cls)))

    @classmethod
    def join(cls, parts: list[RatioErrors]) -> Self:
        """Return the errors of several runs of genes as one."""
        return cls(
            *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls))
        )

    def where(self, choose: BoolArray, other: RatioErrors) -> RatioErrors:
        """Return these for the chosen genes and `other` for the rest."""
        return RatioErrors(
            *(
                np.where(choose, getattr(self, f.name), getattr(other, f.name))
                for f in fields(RatioErrors)
            )
        )


@dataclass(frozen=True, eq=False)
class Instruments:
    r"""Instruments of some genes and the counts they weigh.

    Through the origin γ solves :math:`\sum_c h_c (\tilde u_c - \gamma \tilde s_c) = 0`. With an
    offset, :math:`\sum_c h^0_c (\tilde u_c - \gamma \tilde s_c - o) = 0` as well. Solved for o,
    this is the same with :math:`h - h^0 \sum h / \sum h^0` in the place of h, and counts less their
    means under :math:`h^0`.

    Attributes
    ----------
    h, h0
        Instruments of the slope and of the offset, shape (genes, cells); those of the offset may be
        left out, shape (genes, 0), where there is none.
    spliced, unspliced
        Counts divided by size factors, not smoothed, shape (genes, cells).
    scales
        1 / size factor of the spliced and of the unspliced counts, shape (2, cells).
    batches
        Number of each cell's batch, from 0, shape (cells,); None means that cells are independent.
    """

    h: GeneRows
    h0: GeneRows
    spliced: GeneRows
    unspliced: GeneRows
    scales: Float64Array
    batches: NDArray[np.intp] | None = None

    def errors(self, *, centred: bool, level: float = 0.95) -> RatioErrors:
        r"""Estimate γ with its errors.

        The interval is the union of two sets of ratios :math:`\gamma_0` that are not refuted,
        :math:`(N - \gamma_0 D)^2 \le t^2 V(\gamma_0)`, with :math:`N = \sum h \tilde u`,
        :math:`D = \sum h \tilde s` and V either the sum of squared scores or, where molecules are
        so few that this is too small, :math:`\gamma_0 \sum h^2 d_s d_u (u + s)`, the variance of
        Poisson counts given their sum. t has :math:`(\sum h^2)^2 / \sum h^4 - 1` degrees of
        freedom. With batches it has their number less one, scores are summed over the cells of a
        batch and divided by one minus its leverage (CR3), and the first set is the estimate ± t
        standard errors.

        Parameters
        ----------
        centred
            Whether there is an offset.
        level
            Probability with which the interval covers the ratio.
        """
        n_batches = None if self.batches is None else int(self.batches.max() + 1)
        return ratio_errors(
            self.sums(centred=centred), centred=centred, level=level, n_batches=n_batches
        )

    def sums(self, *, centred: bool) -> Float64Array:
        """Return what :func:`ratio_errors` needs of the cells, a row for every gene."""
        n_cells = self.h.shape[1]
        h0 = self.h0 if self.h0.size > 0 else self.h0.reshape(0, n_cells)
        arrays: list[Any] = [self.h, h0, self.spliced, self.unspliced, self.scales]
        sums = sums_over_rows(*(np.ascontiguousarray(x.T) for x in arrays), centred=centred)
        if self.batches is not None:
            sums[:, 2:5] = np.stack(self._by_batch(self.batches, centred=centred), axis=1)
            # how batches move an offset is not found
            sums[:, 14:16] = np.nan
        return sums

    def influences(
        self, gamma: Float64Array, *, centred: bool
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        r"""Return how each cell moves γ, the weight of its counts in it, and its leverage.

        :math:`q_c (\tilde u_c - \bar u - \gamma (\tilde s_c - \bar s)) / D`, :math:`q_c / D` and
        :math:`q_c (\tilde s_c - \bar s) / D`, with q the instrument, centred where there is an
        offset.

        Parameters
        ----------
        gamma
            The estimate of :meth:`errors`, shape (genes,).
        centred
            Whether there is an offset.

        Returns
        -------
        Three arrays of shape (genes, cells); NaN for a gene without an estimate.
        """
        q, s, u = self._centred(centred=centred)
        # a gene without an estimate has no influences: NaN in the place of infinite ones
        weight = q / np.where(np.isnan(gamma), np.nan, (q * s).sum(axis=1))[:, None]
        return weight * (u - gamma[:, None] * s), weight, weight * s

    def line_influences(
        self, gamma: Float64Array, offset: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        r"""Return how each cell moves γ and how it moves the offset.

        The first is ψ of :meth:`influences`; the second :math:`h^0_c (\tilde u_c - \gamma
        \tilde s_c - o) / \sum h^0 - \bar s \psi_c` with the mean under :math:`h^0`, and 0 for a
        gene whose line goes through the origin.

        Parameters
        ----------
        gamma, offset
            Fitted lines, shape (genes,); an offset of 0 is none.

        Returns
        -------
        Two arrays of shape (genes, cells); NaN for a gene without an estimate.
        """
        with_offset = offset != 0
        slope = self.influences(gamma, centred=False)[0]
        moved = np.where(np.isnan(gamma), np.nan, 0.0)[:, None] * np.ones(slope.shape)
        if with_offset.any():
            slope[with_offset] = self.influences(gamma, centred=True)[0][with_offset]
            h0, s, u = (
                np.asarray(x, dtype=np.float64)[with_offset]
                for x in (self.h0, self.spliced, self.unspliced)
            )
            share = h0 / h0.sum(axis=1, keepdims=True)
            left = u - gamma[with_offset, None] * s - offset[with_offset, None]
            mean = (share * s).sum(axis=1, keepdims=True)
            moved[with_offset] = share * left - mean * slope[with_offset]
        return slope, moved

    def _centred(self, *, centred: bool) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return the instrument, spliced and unspliced counts, centred where there is an offset."""
        h, h0, s, u = (
            np.asarray(x, dtype=np.float64) for x in (self.h, self.h0, self.spliced, self.unspliced)
        )
        if not centred:
            return h, s, u
        with np.errstate(invalid="ignore", divide="ignore"):
            total = h0.sum(axis=1)
            s, u = (x - ((h0 * x).sum(axis=1) / total)[:, None] for x in (s, u))
            return h - h0 * (h.sum(axis=1) / total)[:, None], s, u

    def _by_batch(
        self, batches: NDArray[np.intp], *, centred: bool
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return squares and products of scores summed over the cells of a batch."""
        q, s, u = self._centred(centred=centred)
        a, b = sums_by(batches, q * u), sums_by(batches, q * s)
        with np.errstate(invalid="ignore", divide="ignore"):
            left = 1.0 - b / b.sum(axis=1)[:, None]
            # a batch that holds nearly all of the fit leaves no others to check it with
            a, b = (np.where(left > LEAST_LEFT, x / left, np.nan) for x in (a, b))
        return (a * a).sum(axis=1), (a * b).sum(axis=1), (b * b).sum(axis=1)


def sums_over_rows(
    h: Rows,
    h0: Rows,
    spliced: Rows,
    unspliced: Rows,
    scales: Float64Array,
    *,
    centred: bool,
    over_rows: Callable[[Callable[[int, int], None]], None] | None = None,
) -> Float64Array:
    """Return what the errors of a ratio need, a row for every gene.

    With q the instrument (centred where there is an offset), a = q(u − ū) and b = q(s − s̄): Σa, Σb,
    Σa², Σab, Σb², Σq²(d_s u + d_u s), Σq², Σq⁴, the effective number of unspliced molecules, s̄, ū,
    the score of an offset and its variance, and whether there is anything to divide by; where there
    is an offset also, with r = (u − ū) − γ(s − s̄) and h⁰ scaled to sum to 1, Σ(h⁰r)² and
    Σh⁰qr² / Σb. Without instruments of the offset its score is 0.

    Parameters
    ----------
    h, h0, spliced, unspliced
        As in :class:`Instruments`, but shape (cells, genes) and contiguous; `h0` may have no
        columns.
    scales
        As there, but shape (cells, 2).
    centred
        Whether there is an offset.
    over_rows
        Calls ``work(start, stop)`` for chunks that cover all cells, maybe in threads; None for one
        chunk.
    """
    n_cells, n_genes = h.shape
    arrays = h, h0, spliced, unspliced, scales
    n_parts = -(-n_genes // _STRIDE)

    def total(n_sums: int, kernel: Callable[..., None], *lines: Float64Array) -> Float64Array:
        """Return sums over all cells, shape (sums, genes)."""
        found: dict[int, Float64Array] = {}

        def work(start: int, stop: int) -> None:
            found[start] = np.zeros((n_parts, n_sums * _STRIDE))
            kernel(*arrays, start, stop, *lines, found[start])

        if over_rows is None:
            work(0, n_cells)
        else:
            over_rows(work)
        # in the order of the cells, whichever thread was first
        summed = np.add.reduce([found[start] for start in sorted(found)])
        by_sum = summed.reshape(n_parts, n_sums, _STRIDE).swapaxes(0, 1)
        of_genes: Float64Array = by_sum.reshape(n_sums, -1)[:, :n_genes]
        return of_genes

    out = np.zeros((n_genes, N_SUMS))
    second = h0.shape[1] > 0
    if not centred and not second:
        sums = total(16, instrument_scores, np.empty((0, 5 * _STRIDE)))
        out[:, :8] = sums[:8].T
        there, hu, huu = sums[1] > 0, sums[0], sums[8]
    else:
        means = total(7, instrument_means)
        sum_h, sum_h0, hs, hu, h0s, h0u, huu = means
        there = (hs > 0) & ((sum_h0 > 0) | (not second))
        lines = np.zeros((5, n_parts * _STRIDE))
        with np.errstate(invalid="ignore", divide="ignore"):
            if centred:
                lines[:3, :n_genes] = np.where(there, [sum_h, h0s, h0u] / sum_h0, 0.0)
            lines[3:, :n_genes] = np.where(there, [hu, h0s] / hs, 0.0)
        by_part = lines.reshape(5, n_parts, _STRIDE).swapaxes(0, 1).reshape(n_parts, -1)
        sums = total(16, instrument_scores, np.ascontiguousarray(by_part))
        out[:, :8] = sums[:8].T
        out[:, 9:11] = lines[1:3, :n_genes].T
        out[:, SCORE] = sums[8:10].T
        if centred:
            xx, xy, yy, qx, qm, qy = sums[10:]
            with np.errstate(invalid="ignore", divide="ignore"):
                slope = sums[0] / sums[1]
                squares = (xx - 2 * slope * xy + slope**2 * yy) / sum_h0**2
                mixed = (qx - slope * qm + slope**2 * qy) / (sum_h0 * sums[1])
            out[:, 14:16] = np.where(there & (sums[1] != 0), [squares, mixed], 0.0).T
    out[:, 8] = np.divide(hu * hu, huu, out=np.zeros(n_genes), where=huu > 0)
    out[:, 13] = there
    return out


def ratio_errors(
    sums: Float64Array, *, centred: bool, level: float = 0.95, n_batches: int | None = None
) -> RatioErrors:
    """Return the errors of ratios from sums over cells; see :meth:`Instruments.errors`.

    Parameters
    ----------
    sums
        What :meth:`Instruments.sums` returns.
    centred
        Whether there is an offset.
    level
        Probability with which the interval covers the ratio.
    n_batches
        Number of batches over which scores were summed; None for cells.
    """
    n, d, aa, ab, bb, floor, h2, h4, molecules, s_mean, u_mean = sums.T[:11]
    score, score_square, ok, means, both = sums.T[11:]
    valid = (ok > 0) & (d != 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        gamma = np.where(valid, n / d, np.nan)
        effective = np.where(valid, h2 * h2 / h4, np.nan)
        offset_z = np.where(score_square > 0, score / np.sqrt(score_square), np.nan)
    if n_batches is not None:
        effective = np.where(valid, float(n_batches), np.nan)
    df = np.maximum(effective - 1.0, 1.0)
    t = np.asarray(special.stdtrit(df, (1 + level) / 2), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.sqrt(np.maximum(aa - 2 * gamma * ab + gamma * gamma * bb, 0.0)) / np.abs(d)
    poisson = _connected(n, d, d * d, n * d + t * t * floor / 2, n * n)
    if n_batches is None:
        scores = _connected(n, d, d * d - t * t * bb, n * d - t * t * ab, n * n - t * t * aa)
    else:
        # scores of few batches grow with the distance from γ as fast as what they are compared
        # with: no ratio would be refuted
        scores = gamma - t * se, gamma + t * se
    low, high = np.minimum(scores[0], poisson[0]), np.maximum(scores[1], poisson[1])
    if not centred:
        low = np.maximum(low, 0.0)
    # the offset is ū − γs̄: what a cell adds to the means and to γ
    offset_variance = means - 2 * s_mean * both + (s_mean * se) ** 2
    enough = molecules >= FEWEST_MOLECULES
    none = np.full_like(gamma, np.nan)
    return RatioErrors(
        gamma,
        np.where(valid, u_mean - gamma * s_mean, np.nan) if centred else 0.0 * gamma,
        np.where(enough, se, none),
        np.where(enough, np.sqrt(np.maximum(offset_variance, 0.0)) if centred else 0.0, none),
        np.where(enough, both - s_mean * se * se if centred else 0.0, none),
        np.where(valid, low, none),
        np.where(valid, high, none),
        np.where(valid, molecules, none),
        effective,
        np.where(valid, 2 * special.stdtr(df, -np.abs(offset_z)), none),
    )


def sums_by(units: NDArray[np.intp], values: Float64Array) -> Float64Array:
    """Return sums over the cells of each unit (batch or sample), along the last axis."""
    n_units = int(units.max()) + 1
    rows = values.reshape(-1, values.shape[-1])
    out = np.empty((len(rows), n_units))
    for row, total in zip(rows, out, strict=True):
        total[:] = np.bincount(units, weights=row, minlength=n_units)
    return out.reshape(*values.shape[:-1], n_units)


def _connected(
    n: Float64Array, d: Float64Array, a: Float64Array, b: Float64Array, c: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return the ends of the part of {γ: aγ² − 2bγ + c ≤ 0} that holds n / d."""
    with np.errstate(invalid="ignore", divide="ignore"):
        discriminant = b * b - a * c
        # the estimate lies in the set: where it is bounded, only rounding makes this negative
        root = np.sqrt(np.where(a > 0, np.maximum(discriminant, 0.0), discriminant))
        ends = np.sort(np.stack([(b - root) / a, (b + root) / a]), axis=0)
        estimate = n / d
    inside, above = a > 0, estimate >= ends[1]
    # a ≤ 0: the set is the line, or the line without what lies between the ends
    split = (a < 0) & np.isfinite(ends).all(axis=0)
    low = np.where(inside, ends[0], np.where(split & above, ends[1], -np.inf))
    high = np.where(inside, ends[1], np.where(split & ~above, ends[0], np.inf))
    unknown = np.isnan(a + b + c)
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)
