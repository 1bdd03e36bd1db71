"""The test of the orientation of a pseudotime by the velocities.

The pseudotime is an embedding with one dimension, on which the arrow of a cell is the mean
contribution of its neighbours along the gradient of the time. All cells with a time are one group,
whose summed arrow is tested as that of a cluster: with the errors of γ, and two-sided, because the
orientation was chosen. Root and end were chosen by the same velocities, and the sum assumes a
steady state, so its p-value alone is not enough: the retest without a steady state has to confirm
the sign.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo._adata._moments import counts_source
from steadyvelo.engine import find_directions
from steadyvelo.get import PseudotimeOrientation
from steadyvelo.model import hotelling_p

from ._direction import directions_given
from ._folds import Graphs
from ._kept import kept_results
from ._missing_folds import UNKNOWN_REPRESENTATION, missing_for_folds
from ._sampled_fit import MOST_CELLS, sampled_fit
from ._uncertainty import Errors
from ._variant import Variant, fit_variant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit
    from steadyvelo._adata._fit_params import ErrorChoice

    from ._limits import Limits

__all__ = ["exchanged", "judged", "orientation_of"]

# repeats of the cross-fit, and those for a sample, whose lines are fitted again
_REPEATS, _REPEATS_OF_SAMPLE = 2, 1
# level of the test, the smallest t of the retest, and the value of z with which it contradicts
_LEVEL, _LEAST_T, _AGAINST_Z = 0.05, 4.0, -2.0
_NOT_TESTED = "not tested"
_GRAPHS = Graphs(ratios=True, directions=True)


def orientation_of(fit: Fit, time: NDArray[np.float64], limits: Limits) -> PseudotimeOrientation:
    """Test the orientation of a time, shape (cells,), NaN for cells without one."""
    missing = missing_for_folds(fit)
    if missing:
        return PseudotimeOrientation(_NOT_TESTED, f"The orientation was not tested: {missing}.")
    known = np.isfinite(time)
    many = fit.adata.n_obs > MOST_CELLS
    errors = replace(fit.options.errors, n_repeats=_REPEATS_OF_SAMPLE if many else _REPEATS)
    if not many:
        return _tested(fit, errors, time, limits)
    none = np.full(len(time), -1, dtype=np.intp)
    sample, cells = sampled_fit(fit, none, None, among=known)
    if sample is fit:
        why = UNKNOWN_REPRESENTATION
        return PseudotimeOrientation(_NOT_TESTED, f"The orientation was not tested: {why}.")
    options, inputs = sample.options, sample.inputs
    order = counts_source(inputs, fit.graph_genes, **options.smoothed).order
    # graphs of folds for the fit and for the test, made at once and kept for both
    with kept_results():
        Errors.make(inputs, errors, options, order, _GRAPHS, limits.n_threads)
        other = fit_variant(sample, Variant({"errors": errors}), None, limits)
        other = replace(other, velocity_genes=fit.velocity_genes)
        return _tested(other, errors, time[cells], limits)


def _tested(
    fit: Fit, errors: ErrorChoice, time: NDArray[np.float64], limits: Limits
) -> PseudotimeOrientation:
    """Test the orientation of a time in all cells that have one."""
    known = np.isfinite(time)
    # a neighbour without a time is as likely earlier as later
    place = np.where(known, time, np.median(time[known]))[:, None]
    groups = np.where(known, 0, -1).astype(np.intp)
    how = Errors.of_fit(fit, errors, graphs=_GRAPHS, n_threads=limits.n_threads)
    given, blocks = directions_given(fit, how, None, place, groups, limits)
    none = np.zeros((0, len(time)), dtype=np.int8)
    found = find_directions(*given, signs=none, **blocks)
    total, variance = float(found.groups.arrows[0, 0]), float(found.groups.covariances[0, 0, 0])
    (p,) = hotelling_p(found.groups.arrows, found.groups.covariances, found.groups.n)
    statistics = {
        "total": total,
        "standard_error": float(np.sqrt(variance)),
        "p": float(p),
        "retest_t": float(found.retest.t[0]),
        "retest_z": float(found.retest.z[0]),
        "n_cells": int(known.sum()),
    }
    return judged(**statistics)


def judged(
    total: float,
    standard_error: float,
    p: float,
    retest_t: float,
    retest_z: float,
    n_cells: int,
) -> PseudotimeOrientation:
    """Return the verdict from the statistics of the test."""
    confirmed = retest_t >= _LEAST_T and retest_z > _AGAINST_Z
    verdict = "not determined"
    if p < _LEVEL and confirmed:
        verdict = "determined" if total > 0 else "reversed"
    said = {
        "determined": "Velocities support the orientation of the pseudotime",
        "reversed": "Velocities run against the pseudotime",
        "not determined": "Velocities do not determine the orientation of the pseudotime",
    }[verdict]
    sums = f"the sum of contributions along it is {total:.3g} ± {standard_error:.2g} (p = {p:.2g})"
    agrees = "confirms" if confirmed else "does not confirm"
    link = "and" if confirmed == (p < _LEVEL) else "but"
    reason = (
        f"{said}: {sums}, {link} the retest without the assumption of a steady state {agrees} its "
        f"sign (t = {retest_t:.1f}, z = {retest_z:.1f})."
    )
    return PseudotimeOrientation(
        verdict, reason, total, standard_error, p, retest_t, retest_z, n_cells
    )


def exchanged(tested: PseudotimeOrientation) -> PseudotimeOrientation:
    """Return the result for the opposite orientation, which velocities support."""
    names = ("standard_error", "p", "retest_t", "retest_z", "n_cells")
    same = {name: getattr(tested, name) for name in names}
    turned = judged(total=-tested.total, **same)
    why = "Root and end were exchanged, because velocities ran against the pseudotime before."
    return replace(turned, reason=f"{turned.reason} {why}")
