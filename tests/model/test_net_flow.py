"""Net flows, their errors and p-values."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from steadyvelo.model import net_flow, net_flow_error, relative_flow, two_sided_t
from tests.strategies import abundances


@settings(max_examples=40, deadline=None)
@given(data=st.data(), n_clusters=st.integers(2, 5))
def test_a_net_flow_changes_its_sign_with_the_velocities(data, n_clusters):
    along, against, alike = (data.draw(abundances((n_clusters, n_clusters))) for _ in "abc")
    net = net_flow(along, against, alike)
    np.testing.assert_array_equal(net, -net.T)
    np.testing.assert_array_equal(net, -net_flow(against, along, alike))
    assert np.isnan(np.diag(net)).all()
    # what both have in common has no influence
    more = data.draw(abundances((n_clusters, n_clusters)))
    np.testing.assert_allclose(net_flow(along + more, against + more, alike), net, atol=1e-12)
    none = alike + alike.T == 0
    assert np.isnan(net[none]).all()
    several = net_flow(*(np.stack([x, 2 * x]) for x in (along, against, alike)))
    np.testing.assert_array_equal(several, np.stack([net, net]))


def test_the_numbers_of_a_pair():
    along, against = np.array([[5.0, 3.0], [0.5, 5.0]]), np.array([[5.0, 1.0], [2.0, 5.0]])
    alike = np.array([[5.0, 1.5], [1.0, 5.0]])
    expected = ((3.0 - 1.0) - (0.5 - 2.0)) / (2 * (1.5 + 1.0))
    assert net_flow(along, against, alike)[0, 1] == expected
    assert relative_flow(along, alike)[0, 1] == 2.0


def test_p_values_are_those_of_students_distribution():
    rng = np.random.default_rng(0)
    controls = rng.normal(0, 2, (12, 5))
    error = net_flow_error(controls)
    np.testing.assert_allclose(error, np.sqrt((controls**2).sum(axis=0) / 12))
    estimates = np.array([0.1, -3.0, 5.0, np.nan, 8.0])
    error[4] = 0.0
    p = two_sided_t(relative_flow(estimates, error), 12)
    np.testing.assert_allclose(p[:3], 2 * stats.t(12).sf(np.abs(estimates[:3]) / error[:3]))
    assert np.isnan(p[3:]).all()
    freedom = np.array([3.0, 9.0])
    expected = 2 * stats.t(freedom).sf(2.0)
    np.testing.assert_allclose(two_sided_t(np.array([2.0, -2.0]), freedom), expected)


def test_the_test_holds_its_level_for_normal_flows():
    rng = np.random.default_rng(1)
    flows = rng.normal(0, 3, (21, 20_000))
    p = two_sided_t(flows[0] / net_flow_error(flows[1:]), 20)
    assert abs((p < 0.05).mean() - 0.05) < 0.005
