"""Log ratios of samples at matched state."""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import pytest

from steadyvelo.model import MatchedRatios, SampleRatios, StratumSums
from tests.model.test_matched_ratios import drawn


def samples_of(u, s, strata, units, depth, n_units):
    n = strata.max() + 1
    return [
        StratumSums.of(u, s, depth, strata=np.where(units == k, strata, -1), n_strata=n)
        for k in range(n_units)
    ]


def example(rng, factors, **options):
    """Six samples, three of each condition, with a factor of each sample."""
    u, s, strata, side, depth = drawn(rng, (1.0, 1.0), n_cells=1200, **options)
    sample = 3 * side + rng.integers(0, 3, len(side))
    u = rng.poisson(u * np.asarray(factors)[sample][:, None] / 2).astype(float)
    return samples_of(u, s, strata, sample, depth, 6), (u, s, strata, side, depth, sample)


def test_log_ratios_and_errors_are_those_of_their_definitions():
    found_by, (u, s, strata, side, depth, sample) = example(
        np.random.default_rng(0), [1, 1.2, 0.9, 0.5, 0.6, 0.7], n_genes=2
    )
    first, second = reduce(add, found_by[:3]), reduce(add, found_by[3:])
    found = SampleRatios.of(first, second, found_by[:3], found_by[3:])
    for g in (0, 1):
        theta = np.exp(uncorrected(u[:, g], s[:, g], strata, side))
        more = per_square = 0.0
        o, e, of_u, of_s, b = np.zeros((5, 6))
        for k in np.unique(strata):
            of = [(strata == k) & (side == j) for j in (0, 1)]
            total = s[strata == k, g].sum()
            rho = (u[of[0], g].sum() / theta + u[of[1], g].sum()) / total
            for j in (0, 1):
                w, own = s[of[1 - j], g].sum() / total, rho * (theta if j == 0 else 1)
                x = w * (u[of[j], g] - own * s[of[j], g])
                more += len(x) * np.var(x, ddof=1) - w**2 * own * (1 + own) * s[of[j], g].sum()
                of_cell = total * depth / depth[strata == k].sum()
                per_square += ((w * own * of_cell[of[j]]) ** 2).sum()
                for member in range(3 * j, 3 * j + 3):
                    cells = (strata == k) & (sample == member)
                    o[member] += w * u[cells, g].sum()
                    exposure = s[cells, g].sum()
                    e[member] += w * rho * exposure
                    of_u[member] += w**2 * rho * exposure
                    of_s[member] += w**2 * rho**2 * exposure
                    b[member] += ((w * rho * of_cell[cells]) ** 2).sum()
        excess = more / per_square
        assert excess > 0
        of_u, of_s = of_u + excess / 2 * b, of_s + excess / 2 * b
        expected = np.log(o + of_u / e / 2) - np.log(e + of_s / e / 2)
        np.testing.assert_allclose(found.log_ratio[:, g], expected)
        np.testing.assert_allclose(found.se[:, g], np.sqrt(of_u + of_s) / e)


def uncorrected(u, s, strata, side):
    """log θ of Mantel and Haenszel."""
    terms = []
    for k in np.unique(strata):
        (ub, ur), (sb, sr) = (
            [x[(strata == k) & (side == j)].sum() for j in (0, 1)] for x in (u, s)
        )
        terms.append([ub * sr / (sb + sr), ur * sb / (sb + sr)])
    r, d = np.sum(terms, axis=0)
    return np.log(r / d)


def test_differences_are_those_of_the_samples():
    factors = np.array([1.0, 1.5, 0.8, 0.5, 0.6, 0.4])
    by_sample, _ = example(np.random.default_rng(1), factors, n_genes=400, level=10.0)
    first, second = reduce(add, by_sample[:3]), reduce(add, by_sample[3:])
    found = SampleRatios.of(first, second, by_sample[:3], by_sample[3:])
    centre = np.median(found.log_ratio, axis=1)
    np.testing.assert_allclose(centre - centre[0], np.log(factors), atol=0.04)


def test_differences_between_conditions_vary_as_the_standard_errors_say():
    by_sample, _ = example(np.random.default_rng(1), np.ones(6), n_genes=600)
    first, second = reduce(add, by_sample[:3]), reduce(add, by_sample[3:])
    found = SampleRatios.of(first, second, by_sample[:3], by_sample[3:])
    z = (found.log_ratio[0] - found.log_ratio[3]) / np.hypot(found.se[0], found.se[3])
    assert z.std() == pytest.approx(1, abs=0.1)
    assert z.mean() == pytest.approx(0, abs=0.15)


def test_one_sample_of_each_condition_gives_the_common_quotient():
    pair, _ = example(np.random.default_rng(2), [1, 1, 1, 0.5, 0.5, 0.5], level=10.0)
    first, second = reduce(add, pair[:3]), reduce(add, pair[3:])
    found = SampleRatios.of(first, second, [first], [second])
    together = MatchedRatios.of(first, second)
    difference = found.log_ratio[0] - found.log_ratio[1]
    np.testing.assert_allclose(difference, together.log_ratio, atol=0.2 * together.se.max())


def test_samples_with_few_expected_molecules_have_no_value():
    units, (u, s, strata, *_, depth, sample) = example(
        np.random.default_rng(3), np.ones(6), n_genes=3
    )
    u, s = u.copy(), s.copy()
    u[:, 0] = 0
    s[sample == 2, 1] = 0
    u[sample == 4, 2] = 0
    units = samples_of(u, s, strata, sample, depth, 6)
    first, second = reduce(add, units[:3]), reduce(add, units[3:])
    found = SampleRatios.of(first, second, units[:3], units[3:])
    assert np.isnan(found.log_ratio[:, 0]).all()
    np.testing.assert_array_equal(np.isnan(found.se[:, 1]), np.arange(6) == 2)
    # no molecule where some are expected is a value, and a low one
    assert np.isfinite(found.log_ratio[:, 2]).all()
    assert found.log_ratio[4, 2] < -2
