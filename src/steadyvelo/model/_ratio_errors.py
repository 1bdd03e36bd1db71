"""Standard error and interval of a ratio, and the test of an offset, from sums of scores."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from ._score_sums import ScoreSums
    from ._typing import BoolArray, Float64Array

__all__ = ["FEWEST_MOLECULES", "RatioErrors"]

# with fewer molecules the estimate is far from normal, and a standard error would be meaningless
FEWEST_MOLECULES = 10.0
# smallest share of the fit's weight that must be outside a sample
_LEAST_LEFT = 1e-3
# relative error of sums in float64
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class RatioErrors:
    """Estimates of ratios and offsets with their errors, each of shape (genes,).

    Attributes
    ----------
    gamma, offset
        The estimate from the instruments.
    se
        Standard error of γ; NaN if there are fewer effective molecules than
        :data:`FEWEST_MOLECULES`.
    offset_se, covariance
        Standard error of the offset and its covariance with γ; NaN where `se` is NaN, 0 without an
        offset.
    low, high
        Ends of the interval of γ; infinite where the data do not bound γ.
    molecules
        Effective number of unspliced molecules.
    effective_cells
        Effective number of cells, or the number of samples.
    offset_p
        Two-sided p-value of the score test that the offset is 0; NaN if it is not tested.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import Instruments
    >>> spliced, unspliced = np.array([[10.0], [20.0], [30.0]]), np.array([[6.0], [9.0], [15.0]])
    >>> one = np.ones((3, 1))
    >>> errors = Instruments(one, one, spliced, unspliced, np.ones((3, 2))).errors(centred=False)
    >>> errors.gamma.tolist(), bool(errors.low[0] < 0.5 < errors.high[0])
    ([0.5], True)
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
    def from_sums(cls, sums: ScoreSums, *, level: float = 0.95) -> Self:
        r"""Estimate γ and its errors.

        With :math:`N = \sum a` and :math:`D = \sum b`, :math:`\gamma = N / D` and :math:`SE^2 =
        \sum (a - \gamma b)^2 / D^2`.

        The interval is the union of two sets of ratios :math:`\gamma_0` that are not rejected,
        :math:`(N - \gamma_0 D)^2 \le t^2 V(\gamma_0)`. In the first set, V is the sum of squared
        scores. This is too small if there are few molecules, so V in the second set is
        :math:`\gamma_0 \sum q^2 d_s d_u (u + s)`, the variance of Poisson counts given their sum
        (Fieller). t has :math:`(\sum q^2)^2 / \sum q^4 - 1` degrees of freedom. With samples, the
        degrees of freedom are their number minus one, scores are summed over the cells of a sample
        and divided by one minus its leverage (CR3), and the first set is the estimate ± t standard
        errors.

        Parameters
        ----------
        sums
            Sums of scores over all cells.
        level
            Probability that the interval contains the ratio.
        """
        n, d, centring = sums.unspliced, sums.spliced, sums.centring
        # if s varies by rounding alone, an offset and a ratio cannot be told apart
        valid = np.abs(d) > _ROUNDING * sums.h_spliced
        if centring is not None:
            valid &= centring.h0 > 0
        unknown = np.full(len(d), np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            gamma = np.where(valid, n / d, unknown)
            molecules = sums.h_unspliced**2 / sums.molecule_squares
            effective = sums.instrument_squares**2 / sums.instrument_fourth_powers
            offset_z = sums.offset_score / np.sqrt(sums.offset_score_squares)
        molecules = np.where(sums.molecule_squares > 0, molecules, 0.0)
        offset_z = np.where(sums.offset_score_squares > 0, offset_z, unknown)
        if sums.n_samples > 0:
            effective = np.full(len(d), float(sums.n_samples))
        effective = np.where(valid, effective, unknown)
        df = np.maximum(effective - 1.0, 1.0)
        t = np.asarray(special.stdtrit(df, (1 + level) / 2), dtype=np.float64)
        squares = _squares(sums)
        se = _se(squares, gamma, d)
        low, high = _interval(sums, squares, gamma, se, t)
        offset, offset_se, covariance = _of_offset(sums, gamma, se)
        enough = molecules >= FEWEST_MOLECULES
        return cls(
            gamma,
            offset,
            np.where(enough, se, unknown),
            np.where(enough, offset_se, unknown),
            np.where(enough, covariance, unknown),
            np.where(valid, low, unknown),
            np.where(valid, high, unknown),
            np.where(valid, molecules, unknown),
            effective,
            np.where(valid, 2 * special.stdtr(df, -np.abs(offset_z)), unknown),
        )

    def where(self, choose: BoolArray, other: RatioErrors) -> RatioErrors:
        """Return these values for the chosen genes and those of `other` for the rest."""
        return RatioErrors(
            *(
                np.where(choose, getattr(self, f.name), getattr(other, f.name))
                for f in fields(RatioErrors)
            )
        )


def _squares(sums: ScoreSums) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return Σa², Σab and Σb² over cells, or over samples after division by 1 − leverage."""
    if sums.n_samples == 0:
        return sums.unspliced_squares, sums.products, sums.spliced_squares
    with np.errstate(invalid="ignore", divide="ignore"):
        left = 1.0 - sums.sample_spliced / sums.spliced
        # if one sample has nearly all weight of the fit, its score cannot be estimated
        left = np.where(left > _LEAST_LEFT, left, np.nan)
        a, b = sums.sample_unspliced / left, sums.sample_spliced / left
    return (a * a).sum(axis=0), (a * b).sum(axis=0), (b * b).sum(axis=0)


def _se(
    squares: tuple[Float64Array, Float64Array, Float64Array], gamma: Float64Array, d: Float64Array
) -> Float64Array:
    aa, ab, bb = squares
    with np.errstate(invalid="ignore", divide="ignore"):
        se: Float64Array = np.sqrt(np.maximum(aa - 2 * gamma * ab + gamma * gamma * bb, 0.0))
        return se / np.abs(d)


def _interval(
    sums: ScoreSums,
    squares: tuple[Float64Array, Float64Array, Float64Array],
    gamma: Float64Array,
    se: Float64Array,
    t: Float64Array,
) -> tuple[Float64Array, Float64Array]:
    n, d = sums.unspliced, sums.spliced
    if sums.n_samples > 0:
        # with few samples, scores grow with the distance from γ as fast as their standard error,
        # and no ratio would be rejected
        scores = gamma - t * se, gamma + t * se
    else:
        aa, ab, bb = squares
        scores = _connected(n, d, d * d - t * t * bb, n * d - t * t * ab, n * n - t * t * aa)
    poisson = _connected(n, d, d * d, n * d + t * t * sums.poisson / 2, n * n)
    low, high = np.minimum(scores[0], poisson[0]), np.maximum(scores[1], poisson[1])
    return (low, high) if sums.has_offset else (np.maximum(low, 0.0), high)


def _of_offset(
    sums: ScoreSums, gamma: Float64Array, se: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return the offset ū − γs̄, its standard error, and its covariance with γ."""
    centring, none = sums.centring, np.zeros(len(gamma))
    if centring is None or not centring.offset:
        return 0.0 * gamma, none, none
    mean, h0 = centring.spliced_mean, centring.h0
    with np.errstate(invalid="ignore", divide="ignore"):
        # sums of the cells' terms in the means, and of these with their terms in γ
        means = (
            sums.offset_unspliced_squares
            - 2 * gamma * sums.offset_products
            + gamma**2 * sums.offset_spliced_squares
        ) / h0**2
        both = (
            sums.mixed_unspliced - gamma * sums.mixed_products + gamma**2 * sums.mixed_spliced
        ) / (h0 * sums.spliced)
    variance, covariance = means - 2 * mean * both + (mean * se) ** 2, both - mean * se * se
    if sums.n_samples > 0:
        # the error of an offset between samples is not computed
        variance, covariance = none + np.nan, none + np.nan
    offset_se = np.sqrt(np.maximum(variance, 0.0))
    return centring.unspliced_mean - gamma * mean, offset_se, covariance


def _connected(
    n: Float64Array, d: Float64Array, a: Float64Array, b: Float64Array, c: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return the ends of the connected part of {γ: aγ² − 2bγ + c ≤ 0} that contains n / d."""
    with np.errstate(invalid="ignore", divide="ignore"):
        discriminant = b * b - a * c
        # with a single cell, both ends are the estimate and the discriminant is rounding alone
        single = np.abs(discriminant) <= 1e-12 * (b * b + np.abs(a * c))
        discriminant = np.where(single, 0.0, discriminant)
        # the set contains the estimate; if it is bounded, a negative value is a rounding error
        root = np.sqrt(np.where(a > 0, np.maximum(discriminant, 0.0), discriminant))
        ends = np.sort(np.stack([(b - root) / a, (b + root) / a]), axis=0)
        estimate = n / d
    inside, above = a > 0, estimate >= ends[1]
    # a ≤ 0: the set is the whole line, or all of it except the part between the ends
    split = (a < 0) & np.isfinite(ends).all(axis=0) & (ends[0] < ends[1])
    low = np.where(inside, ends[0], np.where(split & above, ends[1], -np.inf))
    high = np.where(inside, ends[1], np.where(split & ~above, ends[0], np.inf))
    unknown = np.isnan(a + b + c)
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)
