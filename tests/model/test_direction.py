"""Whether an arrow has a direction, and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from steadyvelo.model import angle_interval, chance_of_repeats, hotelling_p, p_of_longer
from tests.strategies import arrows, velocities


def mean_contributions(rng, n_arrows, n, mean, n_dims=2):
    """Means of normal contributions with a covariance that is known to the test alone."""
    root = rng.normal(size=(n_dims, n_dims)) + 2 * np.eye(n_dims)
    values = np.asarray(mean) + rng.normal(size=(n_arrows, n, n_dims)) @ root.T
    arrows = values.mean(axis=1)
    left = values - arrows[:, None]
    covariances = np.einsum("anp,anq->apq", left, left) / (n - 1) / n
    return arrows, covariances, np.full(n_arrows, float(n))


@pytest.mark.parametrize("n_dims", [1, 2, 3])
def test_hotelling_rejects_as_often_as_it_says(n_dims):
    p = hotelling_p(
        *mean_contributions(np.random.default_rng(0), 4000, 12, np.zeros(n_dims), n_dims)
    )
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("n_repeats", [2, 5])
def test_chance_is_how_much_means_of_other_repeats_differ(n_repeats):
    rng = np.random.default_rng(2)
    # 3,000 groups with a long arrow; a repeat has a noise of 0.6 standard errors
    shape = n_repeats, 3000, 2
    se = rng.uniform(0.5, 2, 3000)
    direction = rng.uniform(0, 2 * np.pi, 3000)
    arrow = 30 * se[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    repeats = arrow + 0.6 * se[:, None] * rng.normal(size=shape)
    covariances = se[:, None, None] ** 2 * np.eye(2)
    found = chance_of_repeats(repeats / n_repeats, covariances)
    assert abs(found * np.sqrt(n_repeats) - 0.6) < 0.03


def test_without_two_repeats_or_an_arrow_chance_is_not_known():
    assert np.isnan(chance_of_repeats(np.ones((1, 3, 2)), np.tile(np.eye(2), (3, 1, 1))))
    assert np.isnan(chance_of_repeats(np.zeros((2, 3, 2)), np.tile(np.eye(2), (3, 1, 1))))
    assert np.isnan(chance_of_repeats(np.ones((2, 0, 2)), np.zeros((0, 2, 2))))


def test_p_values_of_longer_arrows_are_those_of_their_length():
    rng = np.random.default_rng(3)
    arrows, covariances, n = mean_contributions(rng, 50, 20, [0.5, 0.2])
    inverse = np.linalg.inv(covariances)
    size = np.sqrt(np.einsum("ad,ade,ae->a", arrows, inverse, arrows))
    for by in (-0.7, 0.0, 0.7):
        turned = np.zeros_like(arrows)
        turned[:, 0] = np.maximum(size + by, 0.0)
        expected = hotelling_p(turned, np.tile(np.eye(2), (50, 1, 1)), n)
        np.testing.assert_allclose(p_of_longer(arrows, covariances, n, by), expected, rtol=1e-9)
    arrows[0], covariances[1] = 0.0, np.nan
    covariances[2] = 0.0
    found = p_of_longer(arrows, covariances, n, 1.0)
    assert found[0] == 1.0
    assert np.isnan(found[1:3]).all()


def test_one_dimension_is_a_t_test():
    rng = np.random.default_rng(1)
    values = rng.normal(0.3, 1, (5, 20))
    variance = values.var(axis=1, ddof=1) / 20
    p = hotelling_p(values.mean(axis=1)[:, None], variance[:, None, None], np.full(5, 20.0))
    np.testing.assert_allclose(p, stats.ttest_1samp(values, 0, axis=1).pvalue, rtol=1e-10)


def test_the_interval_are_the_directions_that_are_not_refuted():
    rng = np.random.default_rng(2)
    arrows, covariances, n = mean_contributions(rng, 60, 15, [0.4, 0.2])
    angle, low, high = angle_interval(arrows, covariances, n, 0.9)
    t = stats.t.ppf(0.95, 14)
    grid = np.linspace(-np.pi, np.pi, 20_001)
    undetermined = 0
    for a, v, middle, start, end in zip(arrows, covariances, angle, low, high, strict=True):
        across = np.stack([-np.sin(grid), np.cos(grid)], axis=1)
        along = np.stack([np.cos(grid), np.sin(grid)], axis=1)
        kept = (across @ a) ** 2 <= t * t * np.einsum("gp,pq,gq->g", across, v, across)
        inside = (grid - start) % (2 * np.pi) <= end - start
        if end - start > 2 * np.pi - 1e-9:
            undetermined += 1
            continue
        # of the two opposite cones the one the arrow lies in
        np.testing.assert_array_less(0, (along[inside] @ a).mean())
        assert abs(inside.sum() - kept.sum() / 2) <= 2
        assert (kept | ~inside).mean() > 0.9999
        assert start <= middle <= end
    assert undetermined == (hotelling_p(arrows, covariances, n) >= 0.1).sum() > 0


@pytest.mark.parametrize("size", [0.0, 0.5, 1.0, 2.0, 8.0])
def test_the_interval_covers_the_direction(size):
    mean = size * np.array([np.cos(2.5), np.sin(2.5)])
    _, low, high = angle_interval(*mean_contributions(np.random.default_rng(3), 4000, 15, mean))
    covered = ((2.5 - low) % (2 * np.pi) <= high - low).mean()
    assert covered > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 4000)


def test_what_has_no_spread_or_no_contributions_has_no_test():
    arrows = np.array([[1.0, 0.0], [1.0, 0.0], [np.nan, 0.0], [1.0, 2.0]])
    covariances = np.stack([np.eye(2), np.zeros((2, 2)), np.eye(2), np.full((2, 2), np.nan)])
    n = np.array([2.0, 30.0, 30.0, 30.0])
    assert np.isnan(hotelling_p(arrows, covariances, n)).all()
    angle, low, high = angle_interval(arrows, covariances, n)
    assert np.isnan([angle[2], low[2], high[3]]).all()
    # without any error the direction is known
    assert low[1] == high[1] == angle[1] == 0.0


@settings(max_examples=40, deadline=None)
@given(data=st.data(), n_dims=st.integers(1, 3))
def test_no_coordinates_of_the_plane_move_a_p_value(data, n_dims):
    mean, covariances, n = data.draw(arrows(n_dims))
    # any axes that span the space, here far from singular
    axes = 16 * np.eye(n_dims) + data.draw(velocities((n_dims, n_dims)))
    expected = hotelling_p(mean, covariances, n)
    assert np.isfinite(expected).all()
    found = hotelling_p(mean @ axes.T, axes @ covariances @ axes.T, n)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    np.testing.assert_array_equal(
        hotelling_p(mean[::-1], covariances[::-1], n[::-1]), expected[::-1]
    )


@settings(max_examples=40, deadline=None)
@given(drawn=arrows(), longer=st.floats(1, 10))
def test_a_longer_arrow_of_the_same_error_is_no_less_certain(drawn, longer):
    mean, covariances, n = drawn
    assert (hotelling_p(longer * mean, covariances, n) <= hotelling_p(*drawn)).all()


@settings(max_examples=40, deadline=None)
@given(drawn=arrows(), turn=st.floats(-3, 3), unit=st.floats(1e-3, 1e3))
def test_an_interval_turns_with_the_plane_and_has_no_unit(drawn, turn, unit):
    mean, covariances, n = drawn
    axes = unit * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    expected = angle_interval(*drawn)
    found = angle_interval(mean @ axes.T, axes @ covariances @ axes.T, n)
    # an arrow without length has no angle to turn
    long = np.linalg.norm(mean, axis=1) > 0
    turned = (found[0] - expected[0] - turn + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(turned[long], 0, atol=1e-9)
    # at the edge of what a test refutes, rounding decides
    p = hotelling_p(*drawn)
    clear = long & (np.abs(p - 0.05) > 1e-6)
    for end in (1, 2):
        width = expected[end] - expected[0]
        np.testing.assert_allclose((found[end] - found[0])[clear], width[clear], atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(drawn=arrows())
def test_arrows_in_float32_are_tested_in_float64(drawn):
    mean, covariances, n = drawn
    single = mean.astype(np.float32), covariances.astype(np.float32)
    wide = tuple(x.astype(float) for x in single)
    np.testing.assert_allclose(hotelling_p(*single, n), hotelling_p(*wide, n), rtol=2e-4)
