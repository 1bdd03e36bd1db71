"""Agreement with velocyto's estimator on simulated counts; its numbers travel with the tests.

`tests/data/velocyto` holds the numbers and the script that made them from scVelo's moments of the
same simulated counts. velocyto fits with iterative optimisers within γ in [0, 20] and an offset in
[0, 2 · weighted mean of u].
"""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo.model import LineBounds, SufficientStatistics, steady_state_weights

pytestmark = pytest.mark.filterwarnings("ignore:layer .* has values that are not whole numbers")

DATA = Path(__file__).parents[1] / "data"
# genes (of 60) where no bound is active in the free fit with offset
FREE_WITH_OFFSET = {
    "maxmin": 37,
    "maxmin_diag": 21,
    "sum": 32,
    "prod": 35,
    "maxmin_weighted": 31,
    "maxmin_double": 32,
}
# genes at a bound whose ratio velocyto's optimiser left more than 1e-4 (relative) from the minimum
STOPPED_AT_BOUND = {"sum": 4, "prod": 2}
each_rule = pytest.mark.parametrize("rule", FREE_WITH_OFFSET)


@pytest.fixture(scope="module")
def numbers():
    with np.load(DATA / "velocyto" / "numbers.npz") as table:
        return dict(table)


@pytest.fixture(scope="module")
def moments():
    """Smoothed values, cells × genes."""
    adata = ad.read_h5ad(DATA / "scvelo" / "input.h5ad")
    sv.pp.moments(adata)
    return tuple(adata.layers[kind].astype(np.float64) for kind in ("Ms", "Mu"))


@pytest.fixture
def sums(moments, rule):
    s, u = moments
    weights = steady_state_weights(*(np.ascontiguousarray(x.T) for x in moments), rule)
    return SufficientStatistics.from_arrays(s, u, weights.T)


@each_rule
def test_through_the_origin(moments, sums, numbers, rule):
    fit = sums.solve()
    np.testing.assert_allclose(fit.gamma, numbers[f"{rule}/gamma"], rtol=1e-6)
    # velocyto's R² is over all cells, whatever the weights
    r2 = SufficientStatistics.from_arrays(*moments).r2(fit.gamma, fit.offset)
    np.testing.assert_allclose(r2, numbers[f"{rule}/r2"], rtol=1e-5, atol=1e-6)


@each_rule
def test_with_offset(sums, numbers, rule):
    fit = sums.solve(offset=True)
    free = (fit.gamma >= 0) & (fit.gamma <= 20)
    free &= (fit.offset >= 0) & (fit.offset <= 2 * sums.unspliced_mean)
    assert free.sum() == FREE_WITH_OFFSET[rule]
    theirs = numbers[f"{rule}/offset_gamma"], numbers[f"{rule}/offset"]
    np.testing.assert_allclose(fit.gamma[free], theirs[0][free], rtol=1e-4)
    np.testing.assert_allclose(fit.offset[free], theirs[1][free], atol=1e-5)


@each_rule
def test_within_its_bounds_no_line_of_ours_fits_worse(sums, numbers, rule):
    fit = LineBounds.velocyto().solve(sums, offset=True)
    at_bound = fit.at_bound
    assert at_bound.sum() == 60 - FREE_WITH_OFFSET[rule]
    gamma, offset = (numbers[f"{rule}/{name}"].astype(float) for name in ("offset_gamma", "offset"))
    ours = sums.residual_squares(fit.gamma, fit.offset)
    reached = sums.residual_squares(gamma, offset)
    assert (ours <= reached * (1 + 1e-12)).all()
    # its lower bound of γ is 1e-8, not 0
    stopped = at_bound & ~np.isclose(fit.gamma, gamma, rtol=1e-4, atol=1.01e-8)
    assert stopped.sum() == STOPPED_AT_BOUND.get(rule, 0)
    assert (ours[stopped] < 0.999 * reached[stopped]).all()


@each_rule
def test_bounds_through_the_function_on_an_anndata(sums, rule):
    adata = ad.read_h5ad(DATA / "scvelo" / "input.h5ad")
    sv.pp.moments(adata)
    sv.tl.velocity(adata, weights=rule, offset=True, bounds="velocyto", dense=False)
    fit = LineBounds.velocyto().solve(sums, offset=True)
    np.testing.assert_allclose(adata.var["velocity_gamma"], fit.gamma, rtol=1e-9)
    np.testing.assert_allclose(adata.var["velocity_offset"], fit.offset, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(adata.var["velocity_at_bound"], fit.at_bound)
