"""Agreement with velocyto's estimator under each of its weight rules.

velocyto fits the first 200 genes of scVelo's smoothed pancreas layers with iterative optimisers
and bounds: γ in [0, 20], offset in [0, 2 · weighted mean of u].
"""

from __future__ import annotations

import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo.model import LineBounds, SufficientStatistics, steady_state_weights

pytestmark = pytest.mark.filterwarnings("ignore:layer .* has values that are not whole numbers")

RULES = ["maxmin", "maxmin_diag", "sum", "prod", "maxmin_weighted", "maxmin_double"]
# genes (of 200) where no bound is active in the free fit with offset
FREE_WITH_OFFSET = {
    "maxmin": 174,
    "maxmin_diag": 155,
    "sum": 148,
    "prod": 163,
    "maxmin_weighted": 173,
    "maxmin_double": 192,
}

# of these, genes whose ratio velocyto's optimiser left more than 1e-4 (relative) from the minimum
STOPPED_SHORT = {"maxmin": 1, "sum": 1, "prod": 1, "maxmin_weighted": 2}
# and genes at a bound where it stopped short; its lower bound of γ is 1e-8, not 0
STOPPED_AT_BOUND, LOWEST = {"sum": 1}, 1e-8


@pytest.fixture(scope="module")
def moments(shared, _reference_input):
    adata = _reference_input[:, :200].copy()
    sv.pp.moments(adata)
    return tuple(adata.layers[k].T.astype(np.float64) for k in ("Ms", "Mu"))


def statistics(moments, rule):
    s, u = moments
    return SufficientStatistics.from_arrays(s.T, u.T, steady_state_weights(s, u, rule).T)


@pytest.mark.parametrize("rule", RULES)
def test_through_the_origin(moments, reference, rule):
    fit = statistics(moments, rule).solve()
    expected = reference("velocyto_gammas")[f"{rule}_gamma"]
    free = (fit.gamma >= 0) & (fit.gamma <= 20)
    assert free.all()
    np.testing.assert_allclose(fit.gamma, expected, rtol=1e-4)


@pytest.mark.parametrize("rule", RULES)
def test_with_offset(moments, reference, rule):
    known = reference("velocyto_gammas")
    sums = statistics(moments, rule)
    fit = sums.solve(offset=True)
    free = (fit.gamma >= 0) & (fit.gamma <= 20)
    free &= (fit.offset >= 0) & (fit.offset <= 2 * sums.unspliced_mean)
    assert free.sum() == FREE_WITH_OFFSET[rule]
    theirs = known[f"{rule}_offset_gamma"].astype(float)
    # where its optimiser stopped short of the minimum: ratios under 1e-3, off by under 1e-7
    stopped = free & ~np.isclose(fit.gamma, theirs, rtol=1e-4, atol=0)
    assert stopped.sum() == STOPPED_SHORT.get(rule, 0)
    assert (abs(fit.gamma - theirs)[stopped] < 1e-7).all()
    assert (fit.gamma[stopped] < 1e-3).all()
    ours = sums.residual_squares(fit.gamma, fit.offset)[stopped]
    reached = sums.residual_squares(theirs, known[f"{rule}_offset_q"].astype(float))[stopped]
    assert (ours < reached).all()


@pytest.mark.parametrize("rule", RULES)
def test_lines_at_a_bound(moments, reference, rule):
    """Where a bound is active, no line of ours fits worse than that of velocyto's optimiser."""
    known = reference("velocyto_gammas")
    sums = statistics(moments, rule)
    fit = LineBounds.velocyto().solve(sums, offset=True)
    at_bound = fit.at_bound
    assert at_bound.sum() == 200 - FREE_WITH_OFFSET[rule]
    gamma, offset = (known[f"{rule}_offset_{name}"].astype(float) for name in ("gamma", "q"))
    ours, reached = (
        sums.residual_squares(fit.gamma, fit.offset),
        sums.residual_squares(gamma, offset),
    )
    assert (ours[at_bound] <= reached[at_bound] * (1 + 1e-12)).all()
    stopped = at_bound & ~np.isclose(fit.gamma, gamma, rtol=1e-4, atol=1.01 * LOWEST)
    assert stopped.sum() == STOPPED_AT_BOUND.get(rule, 0)
    assert (ours[stopped] < 0.95 * reached[stopped]).all()


@pytest.mark.parametrize("rule", RULES)
def test_bounds_through_the_function_on_an_anndata(reference_input, moments, rule):
    adata = reference_input[:, :200].copy()
    sv.pp.moments(adata)
    sv.tl.velocity(adata, weights=rule, offset=True, bounds="velocyto", dense=False)
    fit = LineBounds.velocyto().solve(statistics(moments, rule), offset=True)
    np.testing.assert_allclose(adata.var["velocity_gamma"], fit.gamma, rtol=1e-9)
    np.testing.assert_allclose(adata.var["velocity_offset"], fit.offset, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(adata.var["velocity_at_bound"], fit.at_bound)
