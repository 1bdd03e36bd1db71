r"""Ratios that are fitted to first and second moments together (scVelo's stochastic mode).

If transcription, splicing and degradation are random events, the means over cells in the same state
also have, at steady state,

.. math:: 2 \langle us \rangle + \langle u \rangle
    = \gamma\, (2 \langle s^2 \rangle - \langle s \rangle)

With the smoothed values :math:`M`, this is a second line :math:`b = \gamma a + o_2` through

.. math:: a = 2 M_{ss} - M_s, \qquad b = 2 M_{us} + M_u

and γ minimises the squares around both lines, in units of their variances:

.. math:: \frac{1}{\sigma_1^2} \sum_i m_i (M_{u,i} - \gamma M_{s,i} - o)^2
    + \frac{1}{\sigma_2^2} \sum_i (b_i - \gamma a_i - o_2)^2

Only sums over cells are needed: those of the first moments and, with a and b in place of s and u,
those of the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._ratio import RatioFit
    from ._statistics import SufficientStatistics
    from ._typing import Float64Array

__all__ = ["StackedFit", "fit_stacked"]


@dataclass(frozen=True, eq=False)
class StackedFit:
    r"""Ratios that fit first and second moments together, each of shape (genes,).

    Attributes
    ----------
    gamma
        Ratio γ.
    offset, offset2
        Offsets of the first and of the second moments; 0 if they are not fitted.
    weight, weight2
        Weights of the squares around both lines, proportional to :math:`1 / \sigma_1^2` and
        :math:`1 / \sigma_2^2`; their sum is 1.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import SufficientStatistics, fit_stacked
    >>> s, bent = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [0.0], [0.0]])
    >>> sums = SufficientStatistics.from_arrays(s, 0.5 * s + bent)
    >>> second = SufficientStatistics.from_arrays(s**2, 0.5 * s**2 + bent)
    >>> fit = fit_stacked(sums.solve(), sums, sums, second)
    >>> bool(sums.solve().gamma[0] > fit.gamma[0] > second.solve().gamma[0])
    True
    """

    gamma: Float64Array
    offset: Float64Array
    offset2: Float64Array
    weight: Float64Array
    weight2: Float64Array


def fit_stacked(
    ordinary: RatioFit,
    every: SufficientStatistics,
    first: SufficientStatistics,
    second: SufficientStatistics,
    *,
    fit_offset: bool = False,
    fit_offset2: bool = False,
) -> StackedFit:
    r"""Fit first and second moments of some genes together.

    Offsets are those that fit best at each γ: :math:`o = \bar u - \gamma \bar s`, with means over
    the weights of the first moments, and :math:`o_2 = \bar b - \gamma \bar a`. Then

    .. math:: \gamma = \frac{\sigma_1^{-2} \sum m s u + \sigma_2^{-2} \sum a b}
        {\sigma_1^{-2} \sum m s^2 + \sigma_2^{-2} \sum a^2}

    with sums around these means where there is an offset. Variances are around the mean of the
    residuals: :math:`\sigma_1^2` of :math:`u - \gamma s` at the ordinary γ, and :math:`\sigma_2^2`
    of :math:`b - \gamma_2 a` at the slope :math:`\gamma_2` of the second moments alone (with an
    offset that is not negative, if `fit_offset2`). If one variance is 0, its block gets all weight;
    so do the first moments if the second are 0.

    Parameters
    ----------
    ordinary
        Fit of the first moments.
    every, first
        Sums of s and u with equal weights, and with the weights m.
    second
        Sums of a and b with equal weights.
    fit_offset, fit_offset2
        Whether lines of the first and of the second moments have an offset; it may be negative.

    Returns
    -------
    Ratios, offsets and the weights of both blocks.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import SufficientStatistics
    >>> s = np.array([[1.0], [2.0], [4.0]])
    >>> sums = SufficientStatistics.from_arrays(s, 0.5 * s + 1)
    >>> second = SufficientStatistics.from_arrays(s**2, 0.5 * s**2 + 3)
    >>> lines = {"fit_offset": True, "fit_offset2": True}
    >>> fit = fit_stacked(sums.solve(offset=True), sums, sums, second, **lines)
    >>> fit.gamma.round(9).tolist(), fit.offset.round(9).tolist(), fit.offset2.round(9).tolist()
    ([0.5], [1.0], [3.0])
    """
    own = second.solve(offset="nonnegative" if fit_offset2 else False)
    variance, variance2 = (
        every.residual_variance(ordinary.gamma),
        second.residual_variance(own.gamma),
    )
    total = variance + variance2
    # NaN if there are no second moments
    known = total > 0
    divisor = np.where(known, total, 1.0)
    weight, weight2 = (
        np.where(known, x / divisor, alone) for x, alone in ((variance2, 1.0), (variance, 0.0))
    )
    square, product = _products(first, around_mean=fit_offset)
    square2, product2 = _products(second, around_mean=fit_offset2)
    denominator = weight * square + weight2 * square2
    some = denominator > 0
    gamma = np.where(
        some,
        (weight * product + weight2 * product2) / np.where(some, denominator, 1.0),
        ordinary.gamma,
    )
    return StackedFit(
        gamma,
        _offset(first, gamma) if fit_offset else np.zeros_like(gamma),
        _offset(second, gamma) if fit_offset2 else np.zeros_like(gamma),
        weight,
        weight2,
    )


def _products(
    sums: SufficientStatistics, *, around_mean: bool
) -> tuple[Float64Array, Float64Array]:
    """Return Σws² and Σwsu, around the means if there is an offset."""
    if around_mean:
        return sums.spliced_squares, sums.cross_products
    n, s, u = sums.total_weight, sums.spliced_mean, sums.unspliced_mean
    return sums.spliced_squares + n * s * s, sums.cross_products + n * s * u


def _offset(sums: SufficientStatistics, gamma: Float64Array) -> Float64Array:
    o = sums.unspliced_mean - gamma * sums.spliced_mean
    return o + (sums.unspliced_mean_rest - gamma * sums.spliced_mean_rest)
