r"""Tests and intervals for the direction of an arrow.

An arrow is the mean of its contributions, and it has a covariance. Hotelling's test tests the
hypothesis that the arrow is zero. In two dimensions, the interval contains the directions that the
data do not reject: those for which the component of the arrow across the direction is not larger
than its error. They form a cone around the arrow.

An arrow is a mean over repeats, in which cells and genes are divided at random. How much it would
change if all were divided anew is estimated from the differences between its repeats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from ._typing import Float64Array

__all__ = ["angle_interval", "chance_of_repeats", "hotelling_p", "p_of_longer"]


def hotelling_p(arrows: Float64Array, covariances: Float64Array, n: Float64Array) -> Float64Array:
    r"""Return p-values of the hypothesis that an arrow is zero.

    :math:`T^2 = a^\top V^{-1} a`; :math:`T^2 (n - p) / (p (n - 1))` has an F distribution with p
    and n − p degrees of freedom, where p is the number of dimensions.

    Parameters
    ----------
    arrows
        Mean contributions a, shape (arrows, dimensions).
    covariances
        Their covariances V, shape (arrows, dimensions, dimensions).
    n
        Number of contributions, shape (arrows,).

    Returns
    -------
    P-values, shape (arrows,); NaN if V is singular or n is not larger than the number of
    dimensions.

    Examples
    --------
    >>> p = hotelling_p(np.array([[3.0, 0.0]]), np.eye(2)[None], np.array([30.0]))
    >>> round(float(p[0]), 4)
    0.0227
    """
    n_dims = arrows.shape[1]
    good = np.isfinite(arrows).all(axis=1) & np.isfinite(covariances).all(axis=(1, 2))
    good &= n > n_dims
    usable = np.where(good[:, None, None], covariances, np.eye(n_dims))
    good &= np.linalg.slogdet(usable)[0] > 0
    usable = np.where(good[:, None, None], usable, np.eye(n_dims))
    solved = np.linalg.solve(usable, np.where(good[:, None], arrows, 0.0)[:, :, None])[:, :, 0]
    square = (np.where(good[:, None], arrows, 0.0) * solved).sum(axis=1)
    left = np.where(good, n - n_dims, 1.0)
    statistic = square * left / (n_dims * np.where(good, n - 1.0, 1.0))
    return np.where(good, special.fdtrc(n_dims, left, np.maximum(statistic, 0.0)), np.nan)


def chance_of_repeats(by_repeat: Float64Array, covariances: Float64Array) -> float:
    r"""Return the standard deviation of arrows over all divisions of cells and genes.

    In units of the standard errors of the arrows,

    .. math:: \sqrt{\operatorname{mean}_k \tfrac{R}{R - 1}
              \sum_r (\hat a_k^\top (a_{rk} - \bar a_k))^2 / \hat a_k^\top V_k \hat a_k}

    with the part :math:`a_{rk}` of repeat r in the arrow of group k, the direction
    :math:`\hat a_k` of this arrow, and R repeats.

    Parameters
    ----------
    by_repeat
        Parts of the repeats, whose sum is the arrow, shape (repeats, arrows, dimensions).
    covariances
        Covariances V of the arrows, shape (arrows, dimensions, dimensions).

    Returns
    -------
    The standard deviation; NaN with one repeat, or if no arrow has one.

    Examples
    --------
    >>> parts = np.array([[[1.0, 0.0]], [[3.0, 0.0]]])
    >>> chance_of_repeats(parts, 4 * np.eye(2)[None])
    1.0
    """
    n = len(by_repeat)
    arrows = by_repeat.sum(axis=0)
    length = np.linalg.norm(arrows, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = arrows / length
        along = np.einsum("rkd,kd->rk", by_repeat, unit)
        square = np.einsum("kd,kde,ke->k", unit, covariances, unit)
        spread = ((along - along.mean(axis=0)) ** 2).sum(axis=0) * n / max(n - 1, 1) / square
    known = np.isfinite(spread)
    return float(np.sqrt(spread[known].mean())) if n > 1 and known.any() else float("nan")


def p_of_longer(
    arrows: Float64Array, covariances: Float64Array, n: Float64Array, by: float
) -> Float64Array:
    """Return p-values of arrows that are longer by some standard errors; shorter if `by` < 0.

    Parameters
    ----------
    arrows, covariances, n
        As in :func:`hotelling_p`.
    by
        Standard errors by which each arrow is longer; one that would be shorter than zero is zero.

    Returns
    -------
    P-values, shape (arrows,); NaN as in :func:`hotelling_p`.

    Examples
    --------
    >>> arrow, n = np.array([[3.0, 0.0]]), np.array([1e9])
    >>> [round(float(p_of_longer(arrow, np.eye(2)[None], n, by)[0]), 3) for by in (-1, 0, 1, -5)]
    [0.135, 0.011, 0.0, 1.0]
    """
    inverse = np.full(covariances.shape, np.nan)
    good = np.asarray(np.isfinite(covariances).all(axis=(1, 2)))
    good[good] = np.linalg.slogdet(covariances[good])[0] > 0
    inverse[good] = np.linalg.inv(covariances[good])
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.sqrt(np.einsum("kd,kde,ke->k", arrows, inverse, arrows))
        factor = np.where(size > 0, np.maximum(1.0 + by / size, 0.0), 1.0)
    return hotelling_p(arrows * factor[:, None], covariances, n)


def angle_interval(
    arrows: Float64Array, covariances: Float64Array, n: Float64Array, level: float = 0.95
) -> tuple[Float64Array, Float64Array, Float64Array]:
    r"""Return the angle of an arrow in the plane and its interval.

    The interval contains the directions θ on the arrow's side with :math:`(a \cdot n)^2 \le t^2\,
    n^\top V n`, where n is perpendicular to θ and t has n − 1 degrees of freedom. It contains all
    directions if :func:`hotelling_p` does not reject the hypothesis that the arrow is zero.

    Parameters
    ----------
    arrows
        Mean contributions a, shape (arrows, 2).
    covariances
        Their covariances V, shape (arrows, 2, 2).
    n
        Number of contributions, shape (arrows,).
    level
        Probability that the interval contains the direction.

    Returns
    -------
    Angle, lower and upper end, in radians from the first axis. Lower end ≤ angle ≤ upper end, so
    ends may be outside [−π, π]. An interval of width 2π contains all directions.

    Examples
    --------
    >>> ends = angle_interval(np.array([[3.0, 0.0]]), np.eye(2)[None], np.array([1e9]))
    >>> np.degrees(np.ravel(ends)).round(1).tolist()
    [0.0, -40.8, 40.8]
    """
    good = np.isfinite(arrows).all(axis=1) & np.isfinite(covariances).all(axis=(1, 2)) & (n > 1)
    a = np.where(good[:, None], arrows, 1.0)
    t = np.asarray(special.stdtrit(np.where(good, n - 1.0, 1.0), (1 + level) / 2))
    v = np.where(good[:, None, None], covariances, 0.0) * (t * t)[:, None, None]
    form = a[:, :, None] * a[:, None, :] - v
    values, vectors = np.linalg.eigh(form)
    least, most = values.T
    angle = np.arctan2(a[:, 1], a[:, 0])
    # the axis of the cone is the eigenvector of the larger eigenvalue, on the side of the arrow
    axis = vectors[:, :, 1]
    axis = axis * np.where((axis * a).sum(axis=1) < 0, -1.0, 1.0)[:, None]
    centre = np.arctan2(axis[:, 1], axis[:, 0])
    with np.errstate(invalid="ignore", divide="ignore"):
        half = np.arctan(np.sqrt(np.maximum(-least, 0.0) / most))
    known = ~(hotelling_p(arrows, covariances, n) >= 1 - level) & (n > arrows.shape[1])
    bounded = (most > 0) & known
    centre = angle + np.where(bounded, (centre - angle + np.pi) % (2 * np.pi) - np.pi, 0.0)
    half = np.where(bounded, half, np.pi)
    # the interval contains the arrow also where rounding errors would exclude it
    low, high = np.minimum(centre - half, angle), np.maximum(centre + half, angle)
    angle, low, high = (np.where(good, x, np.nan) for x in (angle, low, high))
    return angle, low, high
