"""Bounds of lines: the constrained minimum, and which lines are at a bound."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from steadyvelo.model import LineBounds, SufficientStatistics

INF = np.inf


@pytest.fixture(scope="module")
def genes():
    """Genes whose best lines are on all sides of the bounds: s, u and weights, cells × genes."""
    rng = np.random.default_rng(3)
    s = rng.gamma(2, size=(40, 200))
    gamma, offset = rng.uniform(-1, 3, 200), rng.uniform(-2, 2, 200)
    u = gamma * s + offset + rng.normal(0, 0.5, s.shape)
    return s, u, rng.uniform(0, 1, s.shape)


@pytest.mark.parametrize(
    ("gamma", "offset"),
    [
        ((0.0, 1.5), (0.0, 1.0)),
        ((0.5, INF), (-INF, 0.5)),
        ((1.0, 1.0), (-1.0, 1.0)),
        ((-INF, 1.0), None),
        (None, (0.25, 0.25)),
    ],
)
def test_lines_within_bounds_are_the_constrained_minimum(genes, gamma, offset):
    s, u, w = genes
    sums = SufficientStatistics.from_arrays(s, u, w)
    fit = LineBounds(gamma, offset).solve(sums, offset=True)
    free = sums.solve(offset=True)
    ends = np.array([gamma or (-INF, INF), offset or (-INF, INF)])
    for g in range(s.shape[1]):
        design = np.stack([s[:, g], np.ones(len(s))], axis=1) * np.sqrt(w[:, [g]])
        # scipy needs a lower end below the upper one
        bounds = ends[:, 0] - 1e-12, ends[:, 1] + 1e-12
        best = lsq_linear(design, np.sqrt(w[:, g]) * u[:, g], bounds, method="bvls").x
        np.testing.assert_allclose([fit.gamma[g], fit.offset[g]], best, atol=1e-8)
    lines = np.stack([free.gamma, free.offset])
    inside = ((lines >= ends[:, [0]]) & (lines <= ends[:, [1]])).all(axis=0)
    np.testing.assert_array_equal(fit.at_bound, ~inside)
    assert 5 < inside.sum() < 195 or gamma == (1.0, 1.0) or offset == (0.25, 0.25)
    np.testing.assert_array_equal(fit.gamma[inside], free.gamma[inside])


def test_a_line_through_the_origin_is_clipped(genes):
    sums = SufficientStatistics.from_arrays(*genes)
    free = sums.solve().gamma
    fit = LineBounds((0.2, 1.0), (5.0, 6.0)).solve(sums, offset=False)
    np.testing.assert_array_equal(fit.gamma, np.clip(free, 0.2, 1.0))
    np.testing.assert_array_equal(fit.at_bound, (free < 0.2) | (free > 1.0))
    # bounds of the offset are of lines with one
    assert (fit.offset == 0).all()


def test_a_nonnegative_offset_is_no_bound(genes):
    sums = SufficientStatistics.from_arrays(*genes)
    fit = LineBounds((-INF, 1.0)).solve(sums, offset="nonnegative")
    plain = sums.solve(offset="nonnegative")
    assert (plain.offset == 0).any()
    np.testing.assert_array_equal(fit.at_bound, plain.gamma > 1.0)
    assert not plain.at_bound.any()


def test_velocytos_bounds_depend_on_the_mean_of_u(genes):
    s, u, w = genes
    u = np.abs(u) + 0.1
    sums = SufficientStatistics.from_arrays(s, u, w)
    fit = LineBounds.velocyto().solve(sums, offset=True)
    mean = (w * u).sum(axis=0) / w.sum(axis=0)
    expected = sums.solve(offset=True, gamma_bounds=(0, 20), offset_bounds=(0.0, 2 * mean))
    np.testing.assert_allclose(fit.gamma, expected.gamma, rtol=1e-12)
    np.testing.assert_allclose(fit.offset, expected.offset, rtol=1e-12)
    assert fit.at_bound.any()


def test_a_gene_without_a_line_is_at_no_bound():
    sums = SufficientStatistics.from_arrays(np.zeros((3, 1)), np.ones((3, 1)))
    for offset in (False, True, "nonnegative"):
        fit = LineBounds((0.5, 1.0)).solve(sums, offset=offset)
        assert np.isnan(fit.gamma[0])
        assert not fit.at_bound[0]
