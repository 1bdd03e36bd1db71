"""Velocities of clusters explained by motion, growth and wrong ratios, with known truth."""

from __future__ import annotations

import numpy as np
import pytest

from steadyvelo.model._motion import ClusterMoments, explain_velocities

N_CLUSTERS, N_DIMS, N_GENES = 6, 2, 120


def moments(rng, *, noise=0.02, wrong=(), growth=None, scale=1.0, n_genes=N_GENES):
    """Moments with velocities c·p + (λ − δ)s and known c, λ and δ."""
    s = rng.lognormal(1, 0.5, (N_CLUSTERS, n_genes))
    gamma = rng.lognormal(np.log(0.4), 0.3, n_genes)
    p = rng.normal(0, 1, (N_CLUSTERS, N_DIMS, n_genes)) * s[:, None]
    c = rng.normal(0, 0.3, (N_CLUSTERS, N_DIMS))
    excess = np.zeros(n_genes)
    excess[list(wrong)] = 0.4 * gamma[list(wrong)]
    rate = np.zeros(N_CLUSTERS) if growth is None else growth
    error = noise * gamma * s
    v = np.einsum("kd,kdg->kg", c, p) + (rate[:, None] - excess) * s
    v = v + error * rng.normal(size=s.shape)
    inverse = np.broadcast_to(np.eye(N_DIMS) * scale**2, (N_CLUSTERS, N_DIMS, N_DIMS))
    n = np.full(N_CLUSTERS, 100)
    around = np.full(s.shape, 1e-8)
    return ClusterMoments(n, s, v, error**2, scale * p, (around, inverse)), gamma, excess


def test_wrong_ratios_and_growth_are_found():
    growth = np.array([0.2, 0.0, -0.1, 0.0, 0.0, -0.1])
    given, gamma, excess = moments(np.random.default_rng(0), wrong=range(12), growth=growth)
    found = explain_velocities(given, gamma)
    np.testing.assert_allclose(found.growth, growth, atol=0.01)
    np.testing.assert_allclose(found.excess / gamma, excess / gamma, atol=0.08)
    assert (found.excess[:12] / found.excess_se[:12] > 5).all()
    np.testing.assert_allclose(found.growth.sum(), 0, atol=1e-12)


def test_errors_are_those_over_repeated_experiments():
    """Estimates divided by their errors have the standard deviation 1; nothing is wrong."""
    growth, excess = [], []
    for seed in range(40):
        given, gamma, _ = moments(np.random.default_rng(seed), noise=0.2)
        found = explain_velocities(given, gamma)
        growth.append(found.growth / found.growth_se)
        excess.append(found.excess / found.excess_se)
    assert 0.85 < np.std(growth) < 1.2
    # the larger of two errors is larger than one
    assert 0.75 < np.std(excess) < 1.05


def test_without_outliers_it_is_weighted_least_squares():
    given, gamma, _ = moments(np.random.default_rng(1))
    # no residual has less weight if all are equally small
    exact = ClusterMoments(
        given.n,
        given.spliced,
        np.einsum("kd,kdg->kg", np.ones((N_CLUSTERS, N_DIMS)), given.slopes)
        - 0.1 * gamma * given.spliced,
        given.velocity_variance,
        given.slopes,
        given.slope_variance,
    )
    found = explain_velocities(exact, gamma)
    np.testing.assert_allclose(found.excess, 0.1 * gamma, rtol=1e-6)
    np.testing.assert_allclose(found.growth, 0, atol=1e-9)


def test_the_unit_of_the_embedding_does_not_matter():
    one, gamma, _ = moments(np.random.default_rng(2), wrong=[3])
    other, *_ = moments(np.random.default_rng(2), wrong=[3], scale=50.0)
    for x, y in zip(explain_velocities(one, gamma), explain_velocities(other, gamma), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-10)


def test_small_clusters_and_few_genes_are_not_used():
    given, gamma, _ = moments(np.random.default_rng(3))
    given.n[2] = 19
    found = explain_velocities(given, gamma)
    assert np.isnan(found.growth).tolist() == [False, False, True, False, False, False]
    assert np.isfinite(found.excess).all()
    given.n[2:5] = 19
    given.n[5] = 1
    assert np.isnan(np.concatenate(explain_velocities(given, gamma))).all()
    few, gamma, _ = moments(np.random.default_rng(3), n_genes=29)
    assert np.isnan(np.concatenate(explain_velocities(few, gamma))).all()


def test_a_gene_of_two_clusters_has_no_excess():
    given, gamma, _ = moments(np.random.default_rng(4))
    for values in (given.spliced, given.velocity, given.velocity_variance):
        values[2:, 0] = 0.0
    found = explain_velocities(given, gamma)
    assert np.isnan(found.excess).tolist() == [True] + [False] * (N_GENES - 1)


@pytest.mark.parametrize("n_dims", [1, 2, 3])
def test_moments_are_those_of_the_cells(n_dims):
    rng = np.random.default_rng(5)
    codes = np.arange(90) % 3
    s, v, x = rng.gamma(2, 1, (90, 4)), rng.normal(0, 1, (90, 4)), rng.normal(0, 1, (90, n_dims))
    for k in range(3):
        x[codes == k] -= x[codes == k].mean(axis=0)
    parts = [(s[codes == k], v[codes == k], x[codes == k]) for k in range(3)]
    sums = [
        np.vstack([a.sum(0), (a * a).sum(0), b.sum(0), (b * b).sum(0), place.T @ a])
        for a, b, place in parts
    ]
    spread = np.stack([place.T @ place for *_, place in parts])
    found = ClusterMoments.of_sums(np.stack(sums).transpose(2, 0, 1), np.full(3, 30), spread)
    for k, (a, b, place) in enumerate(parts):
        np.testing.assert_allclose(found.spliced[k], a.mean(0))
        np.testing.assert_allclose(found.velocity[k], b.mean(0))
        np.testing.assert_allclose(found.velocity_variance[k], b.var(0, ddof=1) / 30)
        design = np.hstack([np.ones((30, 1)), place])
        coefficients, left, *_ = np.linalg.lstsq(design, a, rcond=None)
        np.testing.assert_allclose(found.slopes[k], coefficients[1:])
        np.testing.assert_allclose(found.slope_variance[0][k], left / (29 - n_dims))
        np.testing.assert_allclose(
            found.slope_variance[1][k] @ spread[k], np.eye(n_dims), atol=1e-9
        )
