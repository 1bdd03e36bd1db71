"""The weighted moderated test of samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import polygamma
from scipy.stats import t as student
from scipy.stats import ttest_1samp, ttest_ind

from steadyvelo.model import ModeratedTest
from steadyvelo.model._moderated_test import _inverse_trigamma

SIX = np.arange(6) < 3
GROUPS = [SIX, ~SIX]


def values(rng, between=0.2, n_genes=4000, se=(0.03, 0.3), spread=0.0):
    """Null values of six samples whose standard errors differ."""
    own = np.exp(rng.uniform(*np.log(se), (6, n_genes)))
    scale = np.exp(rng.normal(0, spread, n_genes)) if spread else 1.0
    return rng.normal(0, np.hypot(own, between) * scale), own


@pytest.mark.parametrize("between", [0.0, 0.1, 0.2, 0.4])
def test_size_in_the_precise_and_in_the_imprecise_half(between):
    y, se = values(np.random.default_rng(0), between)
    found = ModeratedTest.of(y, se, GROUPS)
    precise = se.mean(axis=0) < np.median(se.mean(axis=0))
    for half in (precise, ~precise):
        assert abs((found.p[half] < 0.05).mean() - 0.05) < 0.015
    assert found.between == pytest.approx(between, abs=0.03)


def test_variances_that_differ_between_genes_are_moderated():
    y, se = values(np.random.default_rng(1), spread=0.4)
    found = ModeratedTest.of(y, se, GROUPS)
    assert abs((found.p < 0.05).mean() - 0.05) < 0.015
    assert 4 < found.df[0] < 30
    y[:3] += 0.8
    power = (ModeratedTest.of(y, se, GROUPS).p < 0.05).mean()
    assert power > 0.1 + (ttest_ind(y[:3], y[3:]).pvalue < 0.05).mean()


def test_the_statistic_is_that_of_its_definition():
    y, se = values(np.random.default_rng(2), n_genes=300, spread=0.4)
    y[5, :50] = np.nan
    found = ModeratedTest.of(y, se, GROUPS)
    w = np.where(np.isnan(y), 0, 1 / (se**2 + found.between**2))
    means = [(w * np.nan_to_num(y))[g].sum(0) / w[g].sum(0) for g in GROUPS]
    q = sum(
        (w[g] * (np.nan_to_num(y)[g] - m) ** 2).sum(0) for g, m in zip(GROUPS, means, strict=True)
    )
    df = np.where(np.arange(300) < 50, 3.0, 4.0)
    # d₀ and s₀² follow from any two genes with the same d
    prior = found.df - df
    np.testing.assert_allclose(prior, prior[0])
    scale = np.sqrt(sum(1 / w[g].sum(0) for g in GROUPS))
    variance = (found.se / scale) ** 2
    left = (variance * (prior + df) - q) / prior
    np.testing.assert_allclose(left, left[0], rtol=1e-6)
    np.testing.assert_allclose(found.difference, means[0] - means[1])
    np.testing.assert_allclose(found.statistic, found.difference / found.se)
    np.testing.assert_allclose(found.p, 2 * student.sf(abs(found.statistic), found.df))
    np.testing.assert_array_equal(found.samples[1], np.where(np.arange(300) < 50, 2, 3))


def test_genes_with_fewer_than_two_samples_are_not_tested():
    y, se = values(np.random.default_rng(3), n_genes=50)
    y[4:, 0], se[:2, 1] = np.nan, np.nan
    found = ModeratedTest.of(y, se, GROUPS)
    for name in ("difference", "se", "statistic", "df", "p"):
        missing = np.isnan(getattr(found, name))
        np.testing.assert_array_equal(missing, np.arange(50) < 2, err_msg=name)


def test_one_group_is_compared_with_zero():
    y, se = values(np.random.default_rng(4))
    found = ModeratedTest.of(y, se, [np.ones(6, dtype=bool)])
    assert abs((found.p < 0.05).mean() - 0.05) < 0.015
    assert (ModeratedTest.of(y + 2, se, [np.ones(6, dtype=bool)]).difference > 1).all()


def test_few_genes_have_their_own_variances():
    y = np.random.default_rng(5).normal(0, 0.5, (6, 2))
    se = np.full((6, 2), 0.2)
    found = ModeratedTest.of(y, se, GROUPS)
    np.testing.assert_allclose(found.p, ttest_ind(y[:3], y[3:]).pvalue)
    one = ModeratedTest.of(y[:3], se[:3], [np.ones(3, dtype=bool)])
    np.testing.assert_allclose(one.p, ttest_1samp(y[:3], 0).pvalue)
    none = ModeratedTest.of(np.full((6, 1), np.nan), se[:, :1], GROUPS)
    assert np.isnan(none.p).all()
    assert none.between == 0


def test_variances_that_are_more_alike_than_by_chance_are_taken_as_equal():
    rng = np.random.default_rng(6)
    y = np.tile([[-1.0], [0.0], [1.0]], (2, 30)) * rng.choice([-1, 1], 30) * 0.4
    found = ModeratedTest.of(y, np.full((6, 30), 0.1), GROUPS)
    np.testing.assert_allclose(found.se, found.se[0])
    # all genes together have 30 · 4 degrees of freedom
    np.testing.assert_array_equal(found.df, 120)


def test_large_variation_between_samples_is_found():
    y, se = values(np.random.default_rng(7), between=30.0, n_genes=500)
    assert ModeratedTest.of(y, se, GROUPS).between == pytest.approx(30, rel=0.05)


@pytest.mark.parametrize("x", [1e-3, 0.1, 1.0, 30.0, 1e5])
def test_the_inverse_of_trigamma(x):
    assert _inverse_trigamma(float(polygamma(1, x))) == pytest.approx(x, rel=1e-6)
