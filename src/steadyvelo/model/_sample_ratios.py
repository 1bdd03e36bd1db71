r"""Ratios of samples at matched state, relative to the ratio that all samples of a stratum share.

The sums R and D of the Mantel–Haenszel estimator (:mod:`._matched_ratios`) are divided among
samples: with the share :math:`w_k` of the other condition in the spliced molecules of stratum k and
:math:`\rho_k = (U_{bk}/\theta + U_{rk}) / T_k`, sample j has

.. math::
    O_j = \sum_k w_k U_{jk}, \qquad E_j = \sum_k w_k \rho_k S_{jk}, \qquad
    y_j = \log(O_j / E_j)

The sums of :math:`O_j` over the samples of b and of r are R and D, and the sums of :math:`E_j` of
the two conditions are equal. So samples count only as far as their strata also have cells of the
other condition, and all are compared with the same :math:`\rho_k`. With one sample of each
condition, :math:`y_b - y_r = \log\theta`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from ._matched_ratios import LEAST_MOLECULES, Shares, shared_strata

if TYPE_CHECKING:
    from ._stratum_sums import StratumSums
    from ._typing import Float64Array

__all__ = ["SampleRatios"]


@dataclass(frozen=True, eq=False)
class SampleRatios:
    r"""Log ratios of samples with their standard errors, each of shape (samples, genes).

    The standard error is from expected molecules: :math:`SE_j = \sqrt{V_j} / E_j` with

    .. math::
        V_j = \sum_k w_k^2 \Big(\rho_k (1 + \rho_k) S_{jk} + \varphi \sum_{c} \mu_c^2\Big)

    Without φ this is the variance of Poisson counts. One excess φ per gene is estimated by moments
    from the deviations of cells around the mean of stratum and condition; the mean :math:`\mu_c` of
    a cell is in proportion to its depth. So the standard error does not depend on the sample's own
    unspliced molecules, and neither do the weights of samples; and deep samples, in which bursts
    are as noisy as in others, get no weight that only their molecules would justify. The logarithm
    of a count is too small by half of its squared relative error, which is corrected in O and in E;
    φ is divided between them.

    Attributes
    ----------
    log_ratio, se
        Values; NaN if fewer than 5 effective molecules are expected.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import SampleRatios, StratumSums
    >>> rng, strata = np.random.default_rng(0), np.repeat([0, 1], 50)
    >>> def sample(ratio):
    ...     u, s = rng.poisson(40.0 * ratio, (100, 1)), rng.poisson(40.0, (100, 1))
    ...     return StratumSums.of(u, s, np.ones(100), strata=strata, n_strata=2)
    >>> first, second = [sample(0.6)], [sample(0.3), sample(0.3)]
    >>> found = SampleRatios.of(first[0], second[0] + second[1], first, second)
    >>> (found.log_ratio[0] - found.log_ratio[1:]).round(1).ravel().tolist()
    [0.7, 0.7]
    """

    log_ratio: Float64Array
    se: Float64Array

    @classmethod
    def of(
        cls,
        first: StratumSums,
        second: StratumSums,
        first_samples: list[StratumSums],
        second_samples: list[StratumSums],
    ) -> Self:
        """Compute the ratios of the samples of both conditions, those of the first one first.

        `first` and `second` are the sums over the samples of the two conditions.
        """
        both = shared_strata(first, second)
        first, second = first.of_strata(both), second.of_strata(both)
        shares = Shares.of(first, second)
        theta = _common_quotient(first, second, shares)
        rho = (first.unspliced / theta + second.unspliced) / shares.total
        depth = first.depth + second.depth
        mean = rho * shares.total / np.where(depth > 0, depth, 1.0)[:, None]
        more, per_square = np.zeros((2, first.spliced.shape[1]))
        for side, w, factor in ((first, shares.second, theta), (second, shares.first, 1.0)):
            own = factor * rho
            poisson = w**2 * own * (1 + own) * side.spliced
            more += (side.variance(w, w * own) - poisson).sum(axis=0)
            squares = (w * factor * mean) ** 2 * side.depth_squares[:, None]
            per_square += squares.sum(axis=0)
        excess = np.maximum(more, 0.0) / np.where(per_square > 0, per_square, 1.0)
        rows = [
            _of_sample(sample.of_strata(both), w, rho, mean, excess)
            for samples, w in ((first_samples, shares.second), (second_samples, shares.first))
            for sample in samples
        ]
        return cls(*(np.stack(values) for values in zip(*rows, strict=True)))

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Join the results of several sets of genes."""
        names = ("log_ratio", "se")
        return cls(*(np.hstack([getattr(part, name) for part in parts]) for name in names))


def _common_quotient(first: StratumSums, second: StratumSums, shares: Shares) -> Float64Array:
    """Return θ; 1 if a condition has no unspliced molecules."""
    r = (first.unspliced * shares.second).sum(axis=0)
    d = (second.unspliced * shares.first).sum(axis=0)
    known = (r > 0) & (d > 0)
    return np.where(known, r / np.where(known, d, 1.0), 1.0)


def _of_sample(
    sample: StratumSums,
    w: Float64Array,
    rho: Float64Array,
    mean: Float64Array,
    excess: Float64Array,
) -> tuple[Float64Array, Float64Array]:
    """Return the log ratio of a sample and its standard error.

    `mean` are expected unspliced molecules per unit of depth.
    """
    observed = (w * sample.unspliced).sum(axis=0)
    expected = (w * rho * sample.spliced).sum(axis=0)
    squares = ((w * mean) ** 2 * sample.depth_squares[:, None]).sum(axis=0)
    of_unspliced = (w**2 * rho * sample.spliced).sum(axis=0) + 0.5 * excess * squares
    of_spliced = (w**2 * rho**2 * sample.spliced).sum(axis=0) + 0.5 * excess * squares
    variance = of_unspliced + of_spliced
    known = (expected > 0) & (expected**2 >= LEAST_MOLECULES * variance)
    divisor = np.where(known, expected, np.nan)
    log_ratio = np.log(observed + 0.5 * of_unspliced / divisor)
    log_ratio -= np.log(divisor + 0.5 * of_spliced / divisor)
    return log_ratio, np.sqrt(variance) / divisor
