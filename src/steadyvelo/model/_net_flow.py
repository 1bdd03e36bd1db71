r"""The net flow between clusters along velocities, and its test against sign-flipped controls.

Edges between two clusters may be more numerous, longer or nearer to the border on one side. So more
steps can lead one way than back, whatever the velocities. What velocities contribute is the part
that changes its sign with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from ._typing import Float64Array

__all__ = ["net_flow", "net_flow_error", "relative_flow", "two_sided_t"]


def relative_flow(flow: Float64Array, alike: Float64Array) -> Float64Array:
    """Return steps between clusters relative to those along edges that are equally probable.

    Parameters
    ----------
    flow, alike
        Sums of transition probabilities between clusters, and the same if all edges of a cell are
        equally probable, of the same shape.

    Returns
    -------
    Ratios: above 1 if velocities prefer this way; NaN where no edge leads.

    Examples
    --------
    >>> relative_flow(np.array([3.0, 0.0]), np.array([2.0, 0.0])).tolist()
    [1.5, nan]
    """
    out: Float64Array = np.full(np.shape(flow), np.nan)
    np.divide(flow, alike, out=out, where=alike > 0)
    return out


def net_flow(along: Float64Array, against: Float64Array, alike: Float64Array) -> Float64Array:
    r"""Return the net flow between clusters that velocities cause.

    .. math:: N_{ab} = \frac{(F_{ab} - F^-_{ab}) - (F_{ba} - F^-_{ba})}{2 (E_{ab} + E_{ba})}

    with the sums of transition probabilities F along velocities, :math:`F^-` along velocities of
    the opposite sign, and E along edges that are equally probable. If the signs of all velocities
    change, so does the sign of N.

    Parameters
    ----------
    along, against, alike
        F, :math:`F^-` and E from clusters (rows) to clusters (columns), shape (…, clusters,
        clusters).

    Returns
    -------
    :math:`N_{ab} = -N_{ba}`, of the same shape, positive if more steps lead from a to b. NaN where
    no edge leads either way, and on the diagonal.

    Examples
    --------
    >>> along, against = np.array([[8.0, 3.0], [1.0, 9.0]]), np.array([[8.0, 1.0], [3.0, 9.0]])
    >>> net_flow(along, against, np.array([[8.0, 2.0], [2.0, 9.0]])).tolist()
    [[nan, 0.5], [-0.5, nan]]
    """
    odd = 0.5 * (along - against)
    there = alike + np.swapaxes(alike, -1, -2)
    n_clusters = there.shape[-1]
    there = np.where(np.eye(n_clusters, dtype=bool), 0.0, there)
    return relative_flow(odd - np.swapaxes(odd, -1, -2), there)


def net_flow_error(controls: Float64Array) -> Float64Array:
    r"""Return the standard error of a net flow under the hypothesis that cells share no direction.

    .. math:: \mathrm{SE}^2 = \tfrac1m \sum_k N_k^2

    over m sign-flipped controls. Their mean is zero, because a control and the one with all signs
    exchanged are equally probable; so nothing is subtracted, and there are m degrees of freedom.

    Parameters
    ----------
    controls
        Net flows in the controls, shape (m, …).

    Returns
    -------
    Standard errors, of the shape of a control.

    Examples
    --------
    >>> net_flow_error(np.array([[0.3, 1.0], [-0.4, 1.0]])).round(5).tolist()
    [0.35355, 1.0]
    """
    error: Float64Array = np.sqrt((controls**2).mean(axis=0))
    return error


def two_sided_t(t: Float64Array, degrees_of_freedom: float | Float64Array) -> Float64Array:
    """Return two-sided p-values of t statistics; NaN stays NaN.

    Parameters
    ----------
    t
        Statistics.
    degrees_of_freedom
        Of each, or of all.

    Returns
    -------
    P-values, of the shape of `t`.

    Examples
    --------
    >>> two_sided_t(np.array([2.0, -2.0, np.nan]), 10).round(4).tolist()
    [0.0734, 0.0734, nan]
    """
    p: Float64Array = np.asarray(2.0 * special.stdtr(degrees_of_freedom, -np.abs(t)))
    return p
