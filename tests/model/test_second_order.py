"""Fits of first and second moments together: the minimum of the sum of squares around two lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.model import SufficientStatistics, fit_stacked
from tests.strategies import abundances, permutations, velocities

OFFSETS = [(False, False), (True, False), (False, True), (True, True)]


def sums(s, u, weights=None):
    return SufficientStatistics.from_arrays(s[:, None], u[:, None], weights)


def stacked(s, u, a, b, m, *, fit_offset=False, fit_offset2=False):
    """The package's fit of one gene."""
    first = sums(s, u, m)
    ordinary = first.solve(offset=fit_offset)
    how = {"fit_offset": fit_offset, "fit_offset2": fit_offset2}
    return fit_stacked(ordinary, sums(s, u), first, sums(a, b), **how)


def least_squares(s, u, a, b, m, *, fit_offset, fit_offset2):
    """The same by a solver of stacked rows, each divided by the deviation of its block."""
    w = m.astype(float)
    means = ((w * x).sum() / w.sum() if fit_offset else 0.0 for x in (s, u))
    s0, u0 = (x - mean for x, mean in zip((s, u), means, strict=True))
    gamma1 = (w * s0 * u0).sum() / (w * s0 * s0).sum()
    gamma2 = (a * b).sum() / (a * a).sum()
    if fit_offset2:
        slope = np.cov(a, b, ddof=0)[0, 1] / a.var()
        gamma2 = slope if b.mean() >= slope * a.mean() else gamma2
    sd1, sd2 = (u - gamma1 * s).std(), (b - gamma2 * a).std()
    columns = [np.r_[np.sqrt(w) * s / sd1, a / sd2]]
    if fit_offset:
        columns.append(np.r_[np.sqrt(w) / sd1, np.zeros(len(a))])
    if fit_offset2:
        columns.append(np.r_[np.zeros(len(s)), np.ones(len(a)) / sd2])
    found = np.linalg.lstsq(np.stack(columns, axis=1), np.r_[np.sqrt(w) * u / sd1, b / sd2])[0]
    offsets = iter(found[1:])
    return found[0], next(offsets) if fit_offset else 0.0, next(offsets) if fit_offset2 else 0.0


@st.composite
def genes(draw, most=30):
    """Draw s, u, a and b of a gene, and which cells are in the first moments."""
    n = draw(st.integers(4, most))
    # more than is drawn apart: never all equal
    s, a = (draw(abundances(n)) + 9 * (np.arange(n) % 3) + 0.25 for _ in "sa")
    u, b = (0.5 * x + draw(velocities(n)) / 4 + np.arange(n) % 2 / 8 for x in (s, a))
    m = draw(st.lists(st.booleans(), min_size=n, max_size=n).map(np.array))
    m[:3] = True
    return s, u, a, b, m


@pytest.mark.parametrize(("fit_offset", "fit_offset2"), OFFSETS)
@settings(deadline=None)
@given(gene=genes())
def test_the_fit_minimises_the_squares_around_both_lines(gene, fit_offset, fit_offset2):
    lines = {"fit_offset": fit_offset, "fit_offset2": fit_offset2}
    fit = stacked(*gene, **lines)
    expected = least_squares(*gene, **lines)
    found = (fit.gamma[0], fit.offset[0], fit.offset2[0])
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fit.weight + fit.weight2, 1)


@settings(deadline=None)
@given(data=st.data(), gene=genes())
def test_the_order_of_cells_and_units_do_not_matter(data, gene):
    s, u, a, b, m = gene
    fit = stacked(*gene, fit_offset=True, fit_offset2=True)
    order = data.draw(permutations(len(s)))
    other = stacked(*(x[order] for x in gene), fit_offset=True, fit_offset2=True)
    np.testing.assert_allclose(other.gamma, fit.gamma, rtol=1e-8, atol=1e-10)
    # twice the unspliced mRNA doubles ratios and offsets
    doubled = stacked(s, 2 * u, a, 2 * b, m, fit_offset=True, fit_offset2=True)
    for name in ("gamma", "offset", "offset2"):
        np.testing.assert_allclose(
            getattr(doubled, name), 2 * getattr(fit, name), rtol=1e-8, atol=1e-8
        )


@settings(deadline=None)
@given(data=st.data(), gene=genes())
def test_sums_of_parts_of_the_cells_give_the_same_fit(data, gene):
    s, u, a, b, m = gene
    cut = data.draw(st.integers(1, len(s) - 1))
    parts = slice(None, cut), slice(cut, None)

    def merged(x, y, w=None):
        first, second = (sums(x[p], y[p], None if w is None else w[p]) for p in parts)
        return first + second

    whole = stacked(*gene)
    first = merged(s, u, m)
    fit = fit_stacked(first.solve(), merged(s, u), first, merged(a, b))
    np.testing.assert_allclose(fit.gamma, whole.gamma, rtol=1e-8, atol=1e-10)


def test_a_block_without_residuals_gets_all_weight():
    s = np.array([1.0, 2.0, 4.0])
    bent = s + np.array([1.0, 0.0, 0.5])
    every = np.ones(3, dtype=bool)
    # powers of two: these lines have no rounding errors
    exact = stacked(s, 0.5 * s, s, bent, every)
    assert (exact.gamma[0], exact.weight2[0]) == (0.5, 0)
    exact = stacked(s, bent, s, 0.25 * s, every)
    assert (exact.gamma[0], exact.weight[0]) == (0.25, 0)
    both = stacked(s, 0.5 * s, s, 0.25 * s, every)
    assert (both.gamma[0], both.weight[0], both.weight2[0]) == (0.5, 1, 0)


def test_without_second_moments_the_first_are_fitted():
    s, none = np.array([1.0, 2.0, 4.0]), np.zeros(3)
    u = s + np.array([1.0, 0.0, 0.5])
    fit = stacked(s, u, none, none, np.ones(3, dtype=bool))
    np.testing.assert_allclose(fit.gamma, sums(s, u).solve().gamma)
    # second moments alone, which have no spread around their mean: the ordinary ratio remains
    first = sums(s, 0.5 * s)
    line = replace(first.solve(), gamma=np.array([7.0]))
    flat = fit_stacked(line, sums(s, u), sums(none, none), sums(none, none))
    assert flat.gamma[0] == 7.0


@pytest.mark.parametrize("gamma", [0.0, 0.3, -2.0])
def test_the_variance_of_residuals_is_that_of_numpy(gamma):
    rng = np.random.default_rng(0)
    s, u = rng.random((2, 40)) + 1e6
    found = sums(s, u).residual_variance(np.array([gamma]))
    np.testing.assert_allclose(found, (u - gamma * s).var(), rtol=1e-6)
    assert sums(s, u, np.zeros(40)).residual_variance(np.array([gamma]))[0] == 0
