r"""Spliced abundances after some time, under one of two assumptions.

Both continue the kinetics of the present, :math:`ds/dt = u - o - \gamma s`, with the splicing rate
β = 1. How u will change is not known. Either the velocity stays as it is, or u does; La Manno et
al. (2018) call these models I and II.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from ._typing import Float64Array

__all__ = ["Assumption", "extrapolated"]

Assumption: TypeAlias = Literal["constant_velocity", "constant_unspliced"]


def extrapolated(
    spliced: Float64Array,
    velocity: Float64Array,
    gamma: Float64Array,
    time: float,
    assumption: Assumption = "constant_velocity",
) -> Float64Array:
    r"""Return the spliced abundances after some time.

    - ``"constant_velocity"``: :math:`s(t) = s + v t`;
    - ``"constant_unspliced"``: :math:`s(t) = s e^{-\gamma t} + (u - o)\,(1 - e^{-\gamma t}) /
      \gamma`, which approaches the steady state :math:`(u - o) / \gamma`. A negative u − o counts
      as 0, and :math:`s + (u - o) t` is the limit for γ = 0.

    A negative abundance becomes 0.

    Parameters
    ----------
    spliced
        Smoothed spliced abundances s, shape (cells, genes).
    velocity
        Velocities v = u − γs − o, of the same shape.
    gamma
        γ in units of the splicing rate, shape (genes,).
    time
        t in splicing times (1/β).
    assumption
        What stays constant.

    Returns
    -------
    s(t), of the shape of `spliced`. NaN for a gene whose γ is NaN and, if u is constant, for a gene
    whose γ is negative, which is no rate.

    References
    ----------
    La Manno et al. (2018), https://doi.org/10.1038/s41586-018-0414-6.

    Examples
    --------
    >>> s, v, gamma = np.array([[1.0, 1.0]]), np.array([[0.5, -0.5]]), np.array([0.5, 0.5])
    >>> extrapolated(s, v, gamma, 3.0).tolist()
    [[2.5, 0.0]]
    >>> extrapolated(s, v, gamma, 3.0, "constant_unspliced").round(4).tolist()
    [[1.7769, 0.2231]]
    """
    if assumption == "constant_velocity":
        later = spliced + time * velocity
    else:
        rate = np.where(gamma >= 0, gamma, np.nan)
        made = np.maximum(velocity + rate * spliced, 0.0)
        # (1 − e^(−γt)) / γ, without loss of digits for small γ
        share = np.full(np.shape(rate), float(time))
        np.divide(-np.expm1(-rate * time), rate, out=share, where=rate != 0)
        later = spliced * np.exp(-rate * time) + made * share
    positive: Float64Array = np.maximum(later, 0.0)
    return positive
