r"""Quotient of the ratios u/s of two conditions at matched state, from sums over strata.

Unspliced molecules are events and spliced molecules their exposure. With the sums U and S of
conditions b and r in stratum k and :math:`T_k = S_{bk} + S_{rk}`, the Mantel–Haenszel estimator of
the quotient of two rates is

.. math::
    \theta = R / D, \qquad R = \sum_k U_{bk} S_{rk} / T_k, \qquad D = \sum_k U_{rk} S_{bk} / T_k

(Mantel and Haenszel 1959, https://doi.org/10.1093/jnci/22.4.719; Greenland and Robins 1985,
https://doi.org/10.2307/2530643). Only strata with at least two cells of each condition are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from scipy.special import chdtrc, ndtr

if TYPE_CHECKING:
    from ._stratum_sums import StratumSums
    from ._typing import BoolArray, Float64Array, IntArray

__all__ = ["Homogeneity", "MatchedRatios", "homogeneity", "shared_strata"]

# effective number of unspliced molecules below which a gene is not tested
LEAST_MOLECULES = 5.0
# a smaller standard error is rounding alone: all cells have exactly the same ratio
_ROUNDING = 1e-6


def shared_strata(first: StratumSums, second: StratumSums) -> BoolArray:
    """Return the strata with at least two cells of each condition."""
    return (first.cells >= 2) & (second.cells >= 2)


class Shares(NamedTuple):
    """Each condition's share of the spliced molecules of every stratum, (strata, genes)."""

    first: Float64Array
    second: Float64Array
    total: Float64Array

    @classmethod
    def of(cls, first: StratumSums, second: StratumSums) -> Shares:
        """Return the shares; 0 where no cell has spliced molecules."""
        total = first.spliced + second.spliced
        divisor = np.where(total > 0, total, 1.0)
        return cls(first.spliced / divisor, second.spliced / divisor, divisor)


@dataclass(frozen=True, eq=False)
class MatchedRatios:
    r"""Quotients of the ratios of two conditions with their tests, each of shape (genes,).

    A cell of b has the influence :math:`(S_r/T) u - S_r a s` on :math:`R - \theta D`, a cell of r
    :math:`-\theta (S_b/T) u + S_b a s`, with :math:`a = (U_b + \theta U_r) / T^2`. So

    .. math::
        \mathrm{Var}(\log \theta) = \sum_k \sum_{c} \frac{n}{n-1} (\psi_c - \bar\psi)^2 / R^2

    with means and numbers of cells n within stratum and condition. With few molecules, this is too
    small for large :math:`\log\theta`. The second variance holds if ratios are equal: with
    :math:`e_c = u_c - (U_k / S_k) s_c` over both conditions, and :math:`\delta` the share of a
    condition in the depth of stratum k,

    .. math::
        \mathrm{Var}(R - D) = \sum_k (\delta_r^2 f_b + \delta_b^2 f_r)
            \frac{n_k}{n_k - 1} \sum_c e_c^2

    f is the share of a condition in the variance :math:`\sum_c (\mu_c + \varphi \mu_c^2)`, with
    means :math:`\mu_c` in proportion to the depths of cells and one excess φ per gene, by moments.
    (With Poisson counts :math:`f = \delta`, and the factor is :math:`\delta_b \delta_r`. This alone
    would be too large for bursts and unequal depths.) It is divided by the squared logarithmic mean
    of R and D, :math:`(R - D) / (\log R - \log D)`. The test uses the larger variance and the
    normal distribution.

    The terms of R and D are corrected for their bias up to second order, from the variance of the
    spliced and the covariance of both counts within stratum and condition: :math:`S_r / T` is too
    large on average if the counts of r have the smaller variance per molecule.

    Attributes
    ----------
    log_ratio
        :math:`\log\theta`; infinite if one condition has no unspliced molecule in shared strata.
    se
        Its standard error, from the larger variance; NaN if `log_ratio` is infinite, or if all
        cells have exactly the same ratio.
    statistic
        `log_ratio` / `se`; if `log_ratio` is infinite, R − D by the second variance.
    p
        Two-sided p-value.
    molecules
        :math:`\sum_k (U_b + U_r) S_b S_r / T^2`, the effective number of unspliced molecules. All
        others are NaN if it is below 5.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import MatchedRatios, StratumSums
    >>> rng, strata = np.random.default_rng(0), np.repeat([0, 1], 50)
    >>> mean = np.where(strata == 0, 20.0, 60.0)[:, None]
    >>> def condition(ratio):
    ...     u, s = rng.poisson(ratio * mean), rng.poisson(mean)
    ...     return StratumSums.of(u, s, mean[:, 0], strata=strata, n_strata=2)
    >>> found = MatchedRatios.of(condition(0.6), condition(0.3))
    >>> np.exp(found.log_ratio).round(1).tolist()
    [2.0]
    """

    log_ratio: Float64Array
    se: Float64Array
    statistic: Float64Array
    p: Float64Array
    molecules: Float64Array

    @classmethod
    def of(cls, first: StratumSums, second: StratumSums) -> Self:
        """Compare the ratios of two conditions, given their sums in the same strata."""
        both = shared_strata(first, second)
        first, second = first.of_strata(both), second.of_strata(both)
        shares = Shares.of(first, second)
        r, d = (x.sum(axis=0) for x in _molecules(first, second, shares))
        known = _information(first, second, shares).sum(axis=0)
        enough = known >= LEAST_MOLECULES
        null = _null_variance(first, second).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            theta = r / d
            log_ratio = np.log(theta)
            own = np.sqrt(_variance(first, second, shares, theta)) / r
            mean = np.where(r == d, r, (r - d) / log_ratio)
            se = np.maximum(own, np.sqrt(null) / mean)
            se = np.where(np.isfinite(log_ratio) & (se > _ROUNDING), se, np.nan)
            statistic = np.where(np.isfinite(log_ratio), log_ratio / se, (r - d) / np.sqrt(null))
        log_ratio, se, statistic = (np.where(enough, x, np.nan) for x in (log_ratio, se, statistic))
        return cls(log_ratio, se, statistic, 2 * ndtr(-np.abs(statistic)), known)

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Join the results of several sets of genes."""
        names = ("log_ratio", "se", "statistic", "p", "molecules")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class Homogeneity(NamedTuple):
    """Test that the quotient of ratios is the same in all clusters, each of shape (genes,).

    Attributes
    ----------
    statistic, df
        χ² statistic and its degrees of freedom.
    p
        P-value.

    Examples
    --------
    :func:`homogeneity` returns it. Here the tests of two sets of genes are joined.

    >>> import numpy as np
    >>> from steadyvelo.model import Homogeneity
    >>> part = Homogeneity(np.array([3.0]), np.array([2.0]), np.array([0.22]))
    >>> Homogeneity.join([part, part]).df.tolist()
    [2.0, 2.0]
    """

    statistic: Float64Array
    df: Float64Array
    p: Float64Array

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Join the results of several sets of genes."""
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def homogeneity(
    first: StratumSums, second: StratumSums, log_ratio: Float64Array, clusters: IntArray
) -> Homogeneity:
    r"""Test whether the quotient of two conditions' ratios is the same in all clusters.

    The unspliced counts of the first condition are divided by the common quotient. With N, V and I
    the sums of :math:`R - D`, of its variance if ratios are equal, and of effective molecules over
    the strata of a cluster,

    .. math::
        Q = \sum_C N_C^2 / V_C - \Big(\sum_C N_C I_C / V_C\Big)^2 \Big/ \sum_C I_C^2 / V_C

    has a χ² distribution with one degree of freedom less than there are clusters with at least 5
    effective molecules. I is what N would be per unit of a difference in log ratio; other than D,
    it is not correlated with N if counts are Poisson.

    Parameters
    ----------
    first, second
        Sums of both conditions in the same strata.
    log_ratio
        The common quotient, shape (genes,); the test is NaN where it is not finite.
    clusters
        Number of each stratum's cluster, shape (strata,).

    Returns
    -------
    Statistic, degrees of freedom and p-value of every gene; NaN with fewer than two such clusters.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import MatchedRatios, StratumSums, homogeneity
    >>> rng, strata = np.random.default_rng(0), np.repeat([0, 1], 50)
    >>> def condition(*ratio):
    ...     u, s = rng.poisson(40.0 * np.repeat(ratio, 50)), rng.poisson(40.0, 100)
    ...     counts = u[:, None], s[:, None]
    ...     return StratumSums.of(*counts, np.ones(100), strata=strata, n_strata=2)
    >>> pair = condition(0.6, 0.3), condition(0.3, 0.3)
    >>> found = homogeneity(*pair, MatchedRatios.of(*pair).log_ratio, np.array([0, 1]))
    >>> found.df.tolist(), bool(found.p[0] < 1e-6)
    ([1.0], True)
    """
    both = shared_strata(first, second)
    known = np.isfinite(log_ratio)
    first = first.of_strata(both).divided(np.exp(np.where(known, log_ratio, 0.0)))
    second, clusters = second.of_strata(both), clusters[both]
    shares = Shares.of(first, second)
    members = (clusters == np.arange(clusters.max(initial=-1) + 1)[:, None]).astype(np.float64)
    r, d = _molecules(first, second, shares)
    n, v, i = (
        members @ values
        for values in (
            r - d,
            _null_variance(first, second),
            _information(first, second, shares),
        )
    )
    used = (i >= LEAST_MOLECULES) & (v > 0) & known
    weight = np.where(used, 1 / np.where(used, v, 1.0), 0.0)
    df = np.where(used.sum(axis=0) > 1, used.sum(axis=0) - 1.0, np.nan)
    curve = (weight * i**2).sum(axis=0)
    common = (weight * n * i).sum(axis=0) ** 2 / np.where(curve > 0, curve, 1.0)
    statistic = np.where(np.isnan(df), np.nan, (weight * n**2).sum(axis=0) - common)
    return Homogeneity(statistic, df, chdtrc(df, np.maximum(statistic, 0.0)))


def _molecules(
    first: StratumSums, second: StratumSums, shares: Shares
) -> tuple[Float64Array, Float64Array]:
    """Return the terms of R and of D of every stratum, without their bias."""
    a, b, total = shares
    zero, one = np.zeros_like(a), np.ones_like(a)
    # of the share of `first`, up to second order
    bias = (a * second.variance(zero, one) - b * first.variance(zero, one)) / total**2
    r = first.unspliced * (b + bias) + b * first.covariance() / total
    d = second.unspliced * (a - bias) + a * second.covariance() / total
    return r, d


def _information(first: StratumSums, second: StratumSums, shares: Shares) -> Float64Array:
    """Return the effective number of unspliced molecules of every stratum."""
    return (first.unspliced + second.unspliced) * shares.first * shares.second


def _variance(
    first: StratumSums, second: StratumSums, shares: Shares, theta: Float64Array
) -> Float64Array:
    """Return the variance of R − θD from the influences of cells."""
    a = (first.unspliced + theta * second.unspliced) / shares.total**2
    own = first.variance(shares.second, second.spliced * a)
    others = second.variance(theta * shares.first, first.spliced * a)
    return np.asarray((own + others).sum(axis=0))


def _null_variance(first: StratumSums, second: StratumSums) -> Float64Array:
    """Return the variance of R − D of every stratum if the ratios are equal."""
    both = first + second
    # a stratum without spliced molecules contributes nothing to R and D
    exposed = both.spliced > 0
    unspliced = np.where(exposed, both.unspliced, 0.0)
    ratio = unspliced / np.where(exposed, both.spliced, 1.0)
    n = both.cells[:, None]
    squares = np.where(exposed, n / (n - 1) * both.squares(ratio), 0.0)
    whole = np.where(both.depth > 0, both.depth, 1.0)
    poisson, square = unspliced * (1 + ratio), unspliced**2
    more = np.maximum((squares - poisson).sum(axis=0), 0.0)
    per_square = (square * (both.depth_squares / whole**2)[:, None]).sum(axis=0)
    excess = more / np.where(per_square > 0, per_square, 1.0)
    depths = [(side.depth / whole)[:, None] for side in (first, second)]
    parts = [
        depth * poisson + (side.depth_squares / whole**2)[:, None] * excess * square
        for depth, side in zip(depths, (first, second), strict=True)
    ]
    weighed = depths[1] ** 2 * parts[0] + depths[0] ** 2 * parts[1]
    total = parts[0] + parts[1]
    return np.asarray(squares * weighed / np.where(total > 0, total, 1.0))
