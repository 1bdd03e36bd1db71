"""Closed-form solutions of the two rate equations for constant rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ._typing import Float64Array

__all__ = ["evolve", "induction", "repression", "steady_state"]


def steady_state(
    transcription: ArrayLike, splicing: ArrayLike, degradation: ArrayLike
) -> tuple[Float64Array, Float64Array]:
    r"""Return the abundances at which transcription, splicing and degradation balance.

    .. math:: u = \alpha / \beta, \quad s = \alpha / \gamma, \quad u / s = \gamma / \beta

    The ratio of unspliced to spliced mRNA does not depend on the transcription rate. A constant
    basal transcription therefore moves a cell along the steady-state line, not off it.

    Parameters
    ----------
    transcription
        α, molecules per unit of time.
    splicing
        β, per unit of time, positive.
    degradation
        γ, per unit of time, positive.

    Returns
    -------
    Unspliced and spliced abundances, in molecules, broadcast over the arguments.

    Raises
    ------
    ValueError
        If a rate is negative, or β or γ is zero.

    Examples
    --------
    >>> unspliced, spliced = steady_state(transcription=6.0, splicing=3.0, degradation=0.5)
    >>> float(unspliced), float(spliced)
    (2.0, 12.0)
    """
    alpha, beta, gamma = _rates(transcription, splicing, degradation)
    return alpha / beta, alpha / gamma


def evolve(
    time: ArrayLike,
    unspliced: ArrayLike,
    spliced: ArrayLike,
    *,
    transcription: ArrayLike,
    splicing: ArrayLike,
    degradation: ArrayLike,
) -> tuple[Float64Array, Float64Array]:
    r"""Return the abundances after a time at constant rates, from given initial abundances.

    Solves :math:`\dot u = \alpha - \beta u`, :math:`\dot s = \beta u - \gamma s`:

    .. math::
        u(t) &= \tfrac{\alpha}{\beta} + (u_0 - \tfrac{\alpha}{\beta}) e^{-\beta t} \\
        s(t) &= \tfrac{\alpha}{\gamma} + (s_0 - \tfrac{\alpha}{\gamma}) e^{-\gamma t}
               + (\beta u_0 - \alpha)\, t\, e^{-\beta t}\,
                 \varphi\bigl((\beta - \gamma) t\bigr),
        \quad \varphi(x) = (e^x - 1) / x

    φ is smooth at 0, so equal splicing and degradation rates are not a special case.

    Parameters
    ----------
    time
        Time since the start, in the unit of the rates, not negative.
    unspliced, spliced
        Initial abundances, in molecules.
    transcription, splicing, degradation
        α, β, γ as in :func:`steady_state`.

    Returns
    -------
    Unspliced and spliced abundances, in molecules, broadcast over the arguments.

    Raises
    ------
    ValueError
        If a time or rate is negative, or β or γ is zero.

    Examples
    --------
    >>> u, s = evolve(1e3, 0.0, 0.0, transcription=2.0, splicing=1.0, degradation=0.5)
    >>> round(float(u), 9), round(float(s), 9)
    (2.0, 4.0)
    """
    alpha, beta, gamma = _rates(transcription, splicing, degradation)
    t = np.asarray(time, dtype=np.float64)
    if np.any(t < 0):
        msg = f"time must not be negative; the smallest given is {t.min():g}."
        raise ValueError(msg)
    u0 = np.asarray(unspliced, dtype=np.float64)
    s0 = np.asarray(spliced, dtype=np.float64)
    spliced_away = np.exp(-beta * t)
    degraded = np.exp(-gamma * t)
    u = alpha / beta + (u0 - alpha / beta) * spliced_away
    exchange = t * _mean_exponential(-beta * t, -gamma * t)
    s = alpha / gamma + (s0 - alpha / gamma) * degraded + (beta * u0 - alpha) * exchange
    return u, s


def induction(
    time: ArrayLike, *, transcription: ArrayLike, splicing: ArrayLike, degradation: ArrayLike
) -> tuple[Float64Array, Float64Array]:
    """Return the abundances a given time after a silent gene was switched on.

    The same as :func:`evolve` with initial abundances of zero.

    Examples
    --------
    >>> u, s = induction([0.0, 1e3], transcription=2.0, splicing=1.0, degradation=0.5)
    >>> u.round(9).tolist(), s.round(9).tolist()
    ([0.0, 2.0], [0.0, 4.0])
    """
    return evolve(
        time,
        0.0,
        0.0,
        transcription=transcription,
        splicing=splicing,
        degradation=degradation,
    )


def repression(
    time: ArrayLike,
    unspliced: ArrayLike,
    spliced: ArrayLike,
    *,
    splicing: ArrayLike,
    degradation: ArrayLike,
) -> tuple[Float64Array, Float64Array]:
    """Return the abundances a given time after transcription stopped.

    The same as :func:`evolve` with a transcription rate of zero.

    Examples
    --------
    >>> u, s = repression(1e3, 2.0, 4.0, splicing=1.0, degradation=0.5)
    >>> round(float(u), 9), round(float(s), 9)
    (0.0, 0.0)
    """
    return evolve(
        time, unspliced, spliced, transcription=0.0, splicing=splicing, degradation=degradation
    )


def _rates(
    transcription: ArrayLike, splicing: ArrayLike, degradation: ArrayLike
) -> tuple[Float64Array, Float64Array, Float64Array]:
    alpha = np.asarray(transcription, dtype=np.float64)
    beta = np.asarray(splicing, dtype=np.float64)
    gamma = np.asarray(degradation, dtype=np.float64)
    if np.any(alpha < 0):
        msg = f"transcription rates must not be negative; the smallest given is {alpha.min():g}."
        raise ValueError(msg)
    for name, rate in (("splicing", beta), ("degradation", gamma)):
        if np.any(rate <= 0):
            msg = f"{name} rates must be positive; the smallest given is {rate.min():g}."
            raise ValueError(msg)
    return alpha, beta, gamma


def _mean_exponential(x: Float64Array, y: Float64Array) -> Float64Array:
    """Return the mean of exp between x and y, (eˣ − eʸ)/(x − y), smooth at x = y."""
    # the larger exponent is factored out, so that nothing overflows
    low, high = np.minimum(x, y), np.maximum(x, y)
    width = high - low
    safe = np.where(width > 0, width, 1.0)
    return np.exp(high) * np.where(width > 0, -np.expm1(-width) / safe, 1.0)
