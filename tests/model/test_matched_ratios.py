"""Quotients of ratios at matched state, against sums over cells that are written out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from steadyvelo.model import MatchedRatios, StratumSums, homogeneity
from tests.strategies import counts, group_codes, permutations


def drawn(rng, ratios=(0.5, 0.5), *, n_cells=400, n_strata=8, n_genes=5, level=6.0, dispersion=0.3):
    """Counts of cells, their strata, conditions and depths."""
    strata, side = rng.integers(0, n_strata, n_cells), rng.integers(0, 2, n_cells)
    depth = np.exp(rng.normal(0, 0.3, n_cells)) * np.where(side == 0, 1.0, 2.0)
    mean = level * depth[:, None] * np.exp(rng.normal(0, 1, (n_strata, n_genes)))[strata]
    bursts = rng.gamma(1 / dispersion, dispersion, (2, *mean.shape))
    s = rng.poisson(mean * bursts[0])
    u = rng.poisson(mean * bursts[1] * np.asarray(ratios)[side][:, None])
    return u.astype(float), s.astype(float), strata, side, depth


def summed(u, s, strata, side, depth):
    n = strata.max() + 1
    return [
        StratumSums.of(u, s, depth, strata=np.where(side == k, strata, -1), n_strata=n)
        for k in (0, 1)
    ]


def by_cells(u, s, strata, side, depth):
    """log θ, both variances and effective molecules of one gene, from loops over cells."""
    terms = []
    for k in np.unique(strata):
        (ub, ur), (sb, sr) = ([x[(strata == k) & (side == j)] for j in (0, 1)] for x in (u, s))
        db, dr = (depth[(strata == k) & (side == j)] for j in (0, 1))
        if min(len(ub), len(ur)) < 2 or sb.sum() + sr.sum() == 0:
            continue
        total = sb.sum() + sr.sum()
        vb, vr = (len(x) * np.var(x, ddof=1) for x in (sb, sr))
        cb, cr = (len(x) * np.cov(y, x)[0, 1] for x, y in ((sb, ub), (sr, ur)))
        bias = (sb.sum() * vr - sr.sum() * vb) / total**3
        r = ub.sum() * (sr.sum() / total + bias) + sr.sum() * cb / total**2
        d = ur.sum() * (sb.sum() / total - bias) + sb.sum() * cr / total**2
        ratio = (ub.sum() + ur.sum()) / total
        e = np.concatenate([ub, ur]) - ratio * np.concatenate([sb, sr])
        squares = len(e) / (len(e) - 1) * (e**2).sum()
        poisson, mean = (ub.sum() + ur.sum()) * (1 + ratio), ub.sum() + ur.sum()
        terms.append((r, d, ub, ur, sb, sr, db, dr, total, squares, poisson, mean))
    r, d = (sum(term[place] for term in terms) for place in (0, 1))
    theta = r / d
    sizes = [np.concatenate(term[6:8]) / np.concatenate(term[6:8]).sum() for term in terms]
    more = max(sum(term[9] - term[10] for term in terms), 0)
    excess = more / sum(
        term[11] ** 2 * (size**2).sum() for term, size in zip(terms, sizes, strict=True)
    )
    own = null = known = 0.0
    for (_, _, ub, ur, sb, sr, *_, total, squares, poisson, mean), size in zip(
        terms, sizes, strict=True
    ):
        a = (ub.sum() + theta * ur.sum()) / total**2
        first = sr.sum() / total * ub - sr.sum() * a * sb
        second = -theta * sb.sum() / total * ur + sb.sum() * a * sr
        own += sum(len(x) * np.var(x, ddof=1) for x in (first, second))
        parts = [
            (poisson * x + excess * mean**2 * x**2).sum()
            for x in (size[: len(ub)], size[len(ub) :])
        ]
        share = size[: len(ub)].sum()
        if mean > 0:
            null += squares * ((1 - share) ** 2 * parts[0] + share**2 * parts[1]) / sum(parts)
        known += mean * sb.sum() * sr.sum() / total**2
    mean = (r - d) / np.log(theta)
    return np.log(theta), own / r**2, null / mean**2, known, r - d, null


def test_estimates_and_both_variances_are_those_of_their_definitions():
    rng = np.random.default_rng(0)
    larger = []
    for ratios, level in (((0.5, 0.7), 3.0), ((0.2, 0.2), 0.4), ((0.6, 0.1), 0.5)):
        u, s, *cells = drawn(rng, ratios, level=level)
        found = MatchedRatios.of(*summed(u, s, *cells))
        for g in range(u.shape[1]):
            log_ratio, own, null, known, *_ = by_cells(u[:, g], s[:, g], *cells)
            assert found.molecules[g] == pytest.approx(known)
            if known >= 5:
                assert found.log_ratio[g] == pytest.approx(log_ratio)
                assert found.se[g] == pytest.approx(np.sqrt(max(own, null)))
                statistic = log_ratio / np.sqrt(max(own, null))
                assert found.statistic[g] == pytest.approx(statistic)
                assert found.p[g] == pytest.approx(2 * norm.sf(abs(statistic)))
                larger.append(own > null)
    assert {True, False} == set(larger)


def test_equal_ratios_are_rejected_in_one_of_twenty_and_others_found():
    rng = np.random.default_rng(1)
    found = MatchedRatios.of(*summed(*drawn(rng, n_genes=4000, n_strata=12)))
    assert abs((found.p < 0.05).mean() - 0.05) < 0.012
    assert abs((found.p < 0.01).mean() - 0.01) < 0.006
    assert abs(np.median(found.log_ratio)) < 0.01
    other = MatchedRatios.of(*summed(*drawn(rng, (0.6, 0.4), n_genes=1000)))
    assert (other.p < 0.05).mean() > 0.9
    assert np.median(other.log_ratio) == pytest.approx(np.log(1.5), abs=0.02)


def test_strata_that_differ_do_not_make_a_difference():
    # one condition has most cells where u / s is high; without strata the quotient is about 1.7
    rng = np.random.default_rng(2)
    strata = rng.integers(0, 2, 4000)
    side = (rng.random(4000) < np.where(strata == 0, 0.2, 0.8)).astype(int)
    s = rng.poisson(5.0, (4000, 200)).astype(float)
    u = rng.poisson(s.mean() * np.where(strata == 0, 0.2, 0.8)[:, None], (4000, 200)).astype(float)
    cells = strata, side, np.ones(4000)
    matched = MatchedRatios.of(*summed(u, s, *cells))
    together = MatchedRatios.of(*summed(u, s, np.zeros(4000, dtype=int), *cells[1:]))
    assert abs(np.median(matched.log_ratio)) < 0.01
    assert (matched.p < 0.05).mean() < 0.1
    assert np.median(together.log_ratio) < -0.5


def test_a_gene_without_unspliced_molecules_in_one_condition_has_a_p_value():
    rng = np.random.default_rng(3)
    u, s, *cells = drawn(rng, n_genes=3)
    u[cells[1] == 1, 0] = 0
    u[:, 1] = 0
    found = MatchedRatios.of(*summed(u, s, *cells))
    with np.errstate(divide="ignore", invalid="ignore"):
        *_, difference, null = by_cells(u[:, 0], s[:, 0], *cells)
    assert found.log_ratio[0] == np.inf
    assert np.isnan(found.se[0])
    assert found.statistic[0] == pytest.approx(difference / np.sqrt(null))
    assert found.p[0] < 1e-10
    # the second gene has no molecules: not tested
    assert found.molecules[1] == 0
    assert np.isnan([found.log_ratio[1], found.statistic[1], found.p[1]]).all()


def test_conditions_without_a_shared_stratum_are_not_compared():
    u, s, _, side, depth = drawn(np.random.default_rng(4))
    found = MatchedRatios.of(*summed(u, s, side, side, depth))
    np.testing.assert_array_equal(found.molecules, 0)
    assert np.isnan(found.p).all()


def test_cells_that_all_have_one_ratio_are_not_tested():
    s = np.array([1.0, 0, 1, 2, 3, 1, 1, 1])[:, None]
    zeros = np.zeros(8, dtype=int)
    found = MatchedRatios.of(*summed(7 * s, s, zeros, np.arange(8) // 4, np.ones(8)))
    assert found.molecules[0] > 5
    np.testing.assert_allclose(found.log_ratio, 0, atol=1e-9)
    assert np.isnan([found.se[0], found.statistic[0], found.p[0]]).all()


@st.composite
def cells(draw):
    """Whole counts of some cells in strata and conditions."""
    shape = draw(st.tuples(st.integers(8, 20), st.integers(1, 4)))
    u, s = (draw(counts(shape)).astype(float) for _ in range(2))
    strata, side = draw(group_codes(shape[0], n_groups=3)), draw(group_codes(shape[0], n_groups=2))
    depth = draw(counts(shape[0])) + 1.0
    return u, s, strata, side, depth


@settings(max_examples=60, deadline=None)
@given(drawn=cells(), data=st.data())
def test_no_order_of_cells_and_no_number_of_a_stratum_matters(drawn, data):
    expected = MatchedRatios.of(*summed(*drawn))
    order = data.draw(permutations(len(drawn[0])))
    u, s, strata, side, depth = (x[order] for x in drawn)
    strata = data.draw(permutations(3))[strata]
    found = MatchedRatios.of(*summed(u, s, strata, side, depth))
    np.testing.assert_allclose(found.log_ratio, expected.log_ratio, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.p, expected.p, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(drawn=cells())
def test_conditions_that_are_exchanged_change_the_sign_alone(drawn):
    first, second = summed(*drawn)
    forth, back = MatchedRatios.of(first, second), MatchedRatios.of(second, first)
    np.testing.assert_allclose(back.log_ratio, -forth.log_ratio, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(back.statistic, -forth.statistic, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(back.molecules, forth.molecules)


@settings(max_examples=30, deadline=None)
@given(drawn=cells())
def test_sums_of_sparse_counts_are_those_of_dense_ones_and_add_up(drawn):
    u, s, strata, side, depth = drawn
    dense = StratumSums.of(u, s, depth, strata=strata, n_strata=3)
    int32 = (sp.csr_array(x.astype(np.int32)) for x in (u, s))
    sparse = StratumSums.of(*int32, depth, strata=strata, n_strata=3)
    sides = [
        StratumSums.of(u, s, depth, strata=np.where(side == k, strata, -1), n_strata=3)
        for k in (0, 1)
    ]
    for name in ("cells", "depth", "depth_squares", "unspliced_squares", "products"):
        np.testing.assert_array_equal(getattr(sparse, name), getattr(dense, name))
        np.testing.assert_array_equal(getattr(sides[0] + sides[1], name), getattr(dense, name))


def test_homogeneity_is_the_residual_of_a_common_factor():
    rng = np.random.default_rng(5)
    u, s, *rest = drawn(rng, (0.6, 0.4), n_genes=3, level=4.0)
    first, second = summed(u, s, *rest)
    log_ratio = MatchedRatios.of(first, second).log_ratio
    clusters = np.arange(8) // 3
    found = homogeneity(first, second, log_ratio, clusters)
    for g in range(3):
        values = np.where(rest[1] == 0, u[:, g] / np.exp(log_ratio[g]), u[:, g])
        terms = []
        for cluster in range(3):
            of = np.isin(rest[0], np.flatnonzero(clusters == cluster))
            *_, known, n, v = by_cells(values[of], s[of, g], *(x[of] for x in rest))
            terms.append((n, v, known))
        n, v, i = np.array(terms).T
        assert found.df[g] == 2
        expected = (n**2 / v).sum() - (n * i / v).sum() ** 2 / (i**2 / v).sum()
        # φ is one per gene over all clusters, here one per cluster
        assert found.statistic[g] == pytest.approx(expected, rel=0.1)
        assert found.p[g] == pytest.approx(chi2.sf(found.statistic[g], 2))


def test_homogeneity_rejects_in_one_of_twenty_and_finds_a_cluster_that_differs():
    rng = np.random.default_rng(6)
    clusters = np.arange(12) // 4
    u, s, *rest = drawn(rng, (0.6, 0.4), n_genes=3000, n_strata=12, n_cells=900)
    first, second = summed(u, s, *rest)
    found = homogeneity(first, second, MatchedRatios.of(first, second).log_ratio, clusters)
    assert 0.03 < (found.p < 0.05).mean() < 0.06
    u[(rest[0] < 4) & (rest[1] == 0)] *= 3
    first, second = summed(u, s, *rest)
    found = homogeneity(first, second, MatchedRatios.of(first, second).log_ratio, clusters)
    assert (found.p < 0.05).mean() > 0.9


def test_homogeneity_needs_two_clusters_with_molecules():
    rng = np.random.default_rng(7)
    u, s, *rest = drawn(rng, n_genes=2)
    u[rest[0] >= 4, 0] = 0
    first, second = summed(u, s, *rest)
    log_ratio = MatchedRatios.of(first, second).log_ratio
    found = homogeneity(first, second, log_ratio, np.arange(8) // 4)
    np.testing.assert_array_equal(found.df, [np.nan, 1])
    assert np.isnan([found.statistic[0], found.p[0]]).all()
    none = homogeneity(first, second, np.array([np.inf, 0.0]), np.zeros(8, dtype=int))
    assert np.isnan(none.p).all()
