r"""Difference between the means of two groups of samples, with errors shared over genes.

The value :math:`y_j` of sample j has the standard error :math:`SE_j` and, in addition, differs
between samples of one group with the standard deviation τ, which is the same for all genes. So it
has the weight :math:`w_j = 1 / (SE_j^2 + \tau^2)`. With the weighted means :math:`\bar y_w` of the
groups and the sum of their weights W,

.. math::
    q = \sum_j w_j (y_j - \bar y_w)^2, \qquad
    \tilde s^2 = \frac{d_0 s_0^2 + q}{d_0 + d}, \qquad
    t = \frac{\bar y_{w1} - \bar y_{w0}}{\tilde s \sqrt{1/W_1 + 1/W_0}}

on :math:`d_0 + d` degrees of freedom, d the number of samples less the number of groups. τ is the
value for which the mean of :math:`\log(q/d)` over genes is that of :math:`\chi^2_d / d`. The prior
:math:`d_0, s_0` of the variance is estimated from q/d by the moments of its logarithm (Smyth 2004,
https://doi.org/10.2202/1544-6115.1027).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.special import ndtr, polygamma, psi, stdtr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._typing import BoolArray, Float64Array

__all__ = ["ModeratedTest"]

# genes from which a prior is estimated; the variance of one logarithm is not known
_FEWEST_GENES = 3
# halvings of the interval that contains τ²
_HALVINGS = 60
# steps of Newton's method, which doubles the digits in each
_STEPS = 12


@dataclass(frozen=True, eq=False)
class ModeratedTest:
    """Differences between groups of samples with their tests, each of shape (genes,).

    Attributes
    ----------
    difference
        Weighted mean of the first group minus that of the second; of one group, its mean.
    se
        Its standard error.
    statistic
        `difference` / `se`.
    df
        Degrees of freedom, those of the prior included; may be infinite.
    p
        Two-sided p-value of the t distribution.
    samples
        Number of samples with a value in each group, shape (groups, genes).
    between
        τ, the standard deviation between samples.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import ModeratedTest
    >>> rng, se = np.random.default_rng(0), np.full((6, 500), 0.1)
    >>> values = rng.normal(0, np.sqrt(0.1**2 + 0.2**2), (6, 500))
    >>> values[:3, 0] += 2
    >>> first = np.arange(6) < 3
    >>> found = ModeratedTest.of(values, se, [first, ~first])
    >>> round(found.between, 1), bool(found.p[0] < 1e-6), int((found.p[1:] < 0.05).sum())
    (0.2, True, 22)
    """

    difference: Float64Array
    se: Float64Array
    statistic: Float64Array
    df: Float64Array
    p: Float64Array
    samples: Float64Array
    between: float

    @classmethod
    def of(cls, values: Float64Array, se: Float64Array, groups: Sequence[BoolArray]) -> Self:
        """Compare two groups of samples, or one with 0.

        Parameters
        ----------
        values, se
            Values of samples and their standard errors, shape (samples, genes); NaN where a sample
            has no value.
        groups
            Masks of one or two groups of samples, each of shape (samples,). A gene needs values of
            at least two samples of each group.
        """
        known = np.isfinite(values) & np.isfinite(se)
        samples = np.stack([(known & group[:, None]).sum(axis=0) for group in groups])
        tested = (samples >= 2).all(axis=0)
        df = np.where(tested, samples.sum(axis=0) - float(len(groups)), np.nan)
        fits = _Fits(np.where(known, values, 0.0), np.where(known, se, np.inf), groups)
        between = _between(fits, df)
        means, weights, squares = fits.at(between)
        difference = means[0] - means[1] if len(groups) == 2 else means[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            variance, df = _moderated(squares, df)
            se_of = np.sqrt(variance * (1 / weights).sum(axis=0))
            difference = np.where(tested, difference, np.nan)
            statistic = difference / se_of
        size = -np.abs(statistic)
        p = 2 * np.where(np.isinf(df), ndtr(size), stdtr(np.where(np.isinf(df), 1.0, df), size))
        return cls(difference, se_of, statistic, df, p, samples.astype(np.float64), between)


@dataclass(frozen=True, eq=False)
class _Fits:
    """Weighted means of groups of samples."""

    values: Float64Array
    se: Float64Array
    groups: Sequence[BoolArray]

    def at(self, between: float) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return means, sums of weights (both groups × genes) and q, given τ."""
        w = 1 / (self.se**2 + between**2)
        means, weights, squares = [], [], np.zeros(w.shape[1])
        for group in self.groups:
            total = w[group].sum(axis=0)
            mean = (w * self.values)[group].sum(axis=0) / np.where(total > 0, total, 1.0)
            squares += (w[group] * (self.values[group] - mean) ** 2).sum(axis=0)
            means.append(mean)
            weights.append(total)
        return np.stack(means), np.stack(weights), squares


def _logarithms(squares: Float64Array, df: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return log(q/d) less its mean for χ²/d, and d, of all genes with a variance."""
    some = (squares > 0) & (df > 0)
    d = df[some]
    return np.log(squares[some] / d) - psi(d / 2) + np.log(d / 2), d


def _between(fits: _Fits, df: Float64Array) -> float:
    """Return τ, for which the mean of log(q/d) is that of χ²/d; 0 if it is smaller without τ."""

    def excess(square: float) -> float:
        logs, _ = _logarithms(fits.at(np.sqrt(square))[2], df)
        return float(logs.mean()) if len(logs) else 0.0

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, 1.0
    while excess(high) > 0:
        low, high = high, 4 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return float(np.sqrt(high))


def _moderated(squares: Float64Array, df: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return moderated variances and their degrees of freedom."""
    logs, d = _logarithms(squares, df)
    if len(logs) < _FEWEST_GENES:
        return squares / df, df
    # no gene has more degrees of freedom than all genes together
    most = d.sum()
    spread = logs.var(ddof=1) - polygamma(1, d / 2).mean()
    if spread <= 0:
        return np.where(df > 0, np.exp(logs.mean()), np.nan), np.where(df > 0, most, np.nan)
    prior = 2 * _inverse_trigamma(float(spread))
    variance = np.exp(logs.mean() + psi(prior / 2) - np.log(prior / 2))
    return (prior * variance + squares) / (prior + df), np.minimum(prior + df, most)


def _inverse_trigamma(value: float) -> float:
    """Solve ψ'(x) = value by Newton's method for 1/ψ', which is nearly linear (Smyth 2004)."""
    x = 0.5 + 1 / value
    for _ in range(_STEPS):
        trigamma = float(polygamma(1, x))
        x += trigamma * (1 - trigamma / value) / float(polygamma(2, x))
    return x
