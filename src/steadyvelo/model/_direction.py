r"""Whether an arrow has a direction, and in which range it lies.

An arrow is a mean of contributions with a covariance; it has a direction if its mean differs from
zero by Hotelling's test. In two dimensions the directions that are not refuted are those to which
the part of the arrow across them is no larger than its error: a cone around the arrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from ._typing import Float64Array

__all__ = ["angle_interval", "hotelling_p"]


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
    Shape (arrows,); NaN where V cannot be inverted or n is no larger than the dimensions.

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
    return np.where(good, stats.f.sf(statistic, n_dims, left), np.nan)


def angle_interval(
    arrows: Float64Array, covariances: Float64Array, n: Float64Array, level: float = 0.95
) -> tuple[Float64Array, Float64Array, Float64Array]:
    r"""Return the angle of an arrow in the plane and the interval that is not refuted.

    The directions θ with :math:`(a \cdot n)^2 \le t^2\, n^\top V n`, where n is perpendicular to θ
    and t has n − 1 degrees of freedom, on the arrow's side; all directions where
    :func:`hotelling_p` does not refute that the arrow is zero, since its side means nothing then.

    Parameters
    ----------
    arrows
        Mean contributions a, shape (arrows, 2).
    covariances
        Their covariances V, shape (arrows, 2, 2).
    n
        Number of contributions, shape (arrows,).
    level
        Probability with which the interval covers the direction.

    Returns
    -------
    Angle, low and high end, in radians against the first axis; low ≤ angle ≤ high, so that
    ends may lie outside [−π, π]. An interval 2π wide refutes no direction.

    Examples
    --------
    >>> ends = angle_interval(np.array([[3.0, 0.0]]), np.eye(2)[None], np.array([1e9]))
    >>> np.degrees(np.ravel(ends)).round(1).tolist()
    [0.0, -40.8, 40.8]
    """
    good = np.isfinite(arrows).all(axis=1) & np.isfinite(covariances).all(axis=(1, 2)) & (n > 1)
    a = np.where(good[:, None], arrows, 1.0)
    t = np.asarray(stats.t.ppf((1 + level) / 2, np.where(good, n - 1.0, 1.0)))
    v = np.where(good[:, None, None], covariances, 0.0) * (t * t)[:, None, None]
    form = a[:, :, None] * a[:, None, :] - v
    values, vectors = np.linalg.eigh(form)
    least, most = values.T
    angle = np.arctan2(a[:, 1], a[:, 0])
    # the cone lies around the vector of the larger eigenvalue, on the side of the arrow
    axis = vectors[:, :, 1]
    axis = axis * np.where((axis * a).sum(axis=1) < 0, -1.0, 1.0)[:, None]
    centre = np.arctan2(axis[:, 1], axis[:, 0])
    with np.errstate(invalid="ignore", divide="ignore"):
        half = np.arctan(np.sqrt(np.maximum(-least, 0.0) / most))
    known = ~(hotelling_p(arrows, covariances, n) >= 1 - level) & (n > arrows.shape[1])
    bounded = (most > 0) & known
    centre = angle + np.where(bounded, (centre - angle + np.pi) % (2 * np.pi) - np.pi, 0.0)
    half = np.where(bounded, half, np.pi)
    # where rounding puts the arrow at the edge of its own cone it still lies within
    low, high = np.minimum(centre - half, angle), np.maximum(centre + half, angle)
    angle, low, high = (np.where(good, x, np.nan) for x in (angle, low, high))
    return angle, low, high
