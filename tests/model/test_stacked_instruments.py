"""Errors of ratios of first and second moments, against their formulas written out."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.stats import t as student

from steadyvelo.model import StackedFit, StackedInstruments

# more rows than are summed at a time
N, GENES = 700, 5
WEIGHT = 0.7


def problem(*, fit_offset=False, fit_offset2=False, samples=None):
    """Instruments of genes whose ratios and offsets solve the equations."""
    rng = np.random.default_rng(1)
    level = rng.gamma(2, size=(N, GENES))
    s, u = (rng.poisson(mean * level).astype(np.float32) for mean in (4, 2))
    h, h0, k = (rng.random((N, GENES)) + (level, 0, level**2)[i] for i in range(3))
    h, h0, k = (x.astype(np.float32) for x in (h, h0, k))
    k0, d = rng.random((N, 1)), rng.random(N) + 0.5
    some, some2 = (slice(None) if fitted else slice(0) for fitted in (fit_offset, fit_offset2))
    scales, none = rng.random((N, 2)) + 0.5, np.zeros(GENES)
    fit = StackedFit(none, none, none, none + WEIGHT, none + (1 - WEIGHT))
    made = StackedInstruments(fit, h, h0[:, some], k, k0[:, some2], s, u, d, scales, samples)
    above, below, *_, means = terms(made)
    gamma = above.sum(axis=0) / below.sum(axis=0)
    return replace(made, fit=replace(fit, gamma=gamma, offset=means[1] - gamma * means[0]))


def terms(made):
    """Each cell's terms in numerator and denominator of γ, weights of its molecules, and means."""
    d = made.linear[:, None]
    s, u = made.spliced.astype(float), made.unspliced.astype(float)
    a, b = s * (2 * s - d), u * (2 * s + d)
    h, k = made.h.astype(float), made.k.astype(float)
    q, q2, s_mean, u_mean, a_mean, b_mean = h, k, 0.0, 0.0, 0.0, 0.0
    if made.h0.shape[1]:
        h0 = made.h0.astype(float)
        q = h - h0 * h.sum(axis=0) / h0.sum(axis=0)
        s_mean, u_mean = ((h0 * x).sum(axis=0) / h0.sum(axis=0) for x in (s, u))
    if made.k0.shape[1]:
        q2 = k - made.k0 * k.sum(axis=0) / made.k0.sum()
        a_mean, b_mean = ((made.k0 * x).sum(axis=0) / made.k0.sum() for x in (a, b))
    q, q2 = WEIGHT * q, (1 - WEIGHT) * q2
    above = q * (u - u_mean) + q2 * (b - b_mean)
    below = q * (s - s_mean) + q2 * (a - a_mean)
    given = WEIGHT * h + (1 - WEIGHT) * k * (2 * s + d)
    return above, below, q + q2 * (2 * s + d), given, (s_mean, u_mean)


@pytest.mark.parametrize("fit_offset", [False, True])
@pytest.mark.parametrize("fit_offset2", [False, True])
def test_errors_are_their_formulas(fit_offset, fit_offset2):
    made = problem(fit_offset=fit_offset, fit_offset2=fit_offset2)
    above, below, weight, given, (s_mean, _) = terms(made)
    errors, total, gamma = made.errors(level=0.9), below.sum(axis=0), made.fit.gamma
    psi = (above - gamma * below) / total
    np.testing.assert_allclose(errors.gamma, gamma, rtol=1e-9)
    np.testing.assert_allclose(errors.se, np.sqrt((psi**2).sum(axis=0)), rtol=1e-9)
    s, u = made.spliced.astype(float), made.unspliced.astype(float)
    own = made.scales[:, 1:] * u
    molecules = (given * u).sum(axis=0) ** 2 / (given**2 * own).sum(axis=0)
    np.testing.assert_allclose(errors.molecules, molecules, rtol=1e-9)
    cells = (weight**2).sum(axis=0) ** 2 / (weight**4).sum(axis=0)
    np.testing.assert_allclose(errors.effective_cells, cells, rtol=1e-9)
    # outside the interval, the tests with either variance reject
    t = student.ppf(0.95, cells - 1)
    poisson = (weight**2 * (made.scales[:, :1] * u + made.scales[:, 1:] * s)).sum(axis=0)
    rejected = []
    for end in (errors.low, errors.high):
        beyond = end + 1e-6 * (end - gamma)
        score = above - beyond * below
        of_cells = (score**2).sum(axis=0) * t**2
        square = score.sum(axis=0) ** 2
        rejected.append((square > of_cells) & (square > beyond * poisson * t**2))
        inside = gamma + 0.99 * (end - gamma)
        score = above - inside * below
        variance = np.maximum((score**2).sum(axis=0), inside * poisson)
        assert (score.sum(axis=0) ** 2 < t**2 * variance).all()
    assert np.all(rejected)
    assert np.isnan(errors.offset_p).all()
    if not fit_offset:
        assert (errors.offset == 0).all()
        assert (errors.offset_se == 0).all()
        return
    h0 = made.h0.astype(float)
    omega = h0 * (u - gamma * s - made.fit.offset) / h0.sum(axis=0) - s_mean * psi
    np.testing.assert_array_equal(errors.offset, made.fit.offset)
    np.testing.assert_allclose(errors.offset_se, np.sqrt((omega**2).sum(axis=0)), rtol=1e-8)
    np.testing.assert_allclose(errors.covariance, (psi * omega).sum(axis=0), rtol=1e-8)


@pytest.mark.parametrize("fit_offset", [False, True])
def test_errors_between_samples_are_those_of_their_sums(fit_offset):
    samples = np.arange(N) * 7 % 6
    made = problem(fit_offset=fit_offset, samples=samples)
    above, below, *_ = terms(made)
    a, b = (np.stack([x[samples == k].sum(axis=0) for k in range(6)]) for x in (above, below))
    left = 1 - b / b.sum(axis=0)
    score = (a - made.fit.gamma * b) / left
    errors = made.errors()
    np.testing.assert_allclose(
        errors.se, np.sqrt((score**2).sum(axis=0)) / b.sum(axis=0), rtol=1e-8
    )
    assert (errors.effective_cells == 6).all()
    # the error of an offset between samples is not known
    assert np.isnan(errors.offset_se).all() == fit_offset
    assert np.isnan(errors.covariance).all() == fit_offset


def test_errors_do_not_depend_on_how_rows_are_divided():
    made = problem(fit_offset=True, fit_offset2=True, samples=np.arange(N) % 3)

    def in_parts(work):
        for start, stop in ((300, 700), (0, 10), (10, 300)):
            work(start, stop)

    whole, parts = made.errors(), made.errors(over_rows=in_parts)
    for field in fields(whole):
        np.testing.assert_allclose(
            getattr(parts, field.name), getattr(whole, field.name), rtol=1e-9, err_msg=field.name
        )


def test_few_molecules_have_an_interval_and_no_standard_error():
    made = problem(fit_offset=True)
    few = replace(made, unspliced=np.where(np.arange(N)[:, None] < 2, made.unspliced, 0))
    errors = few.errors()
    assert (errors.molecules < 10).all()
    for name in ("se", "offset_se", "covariance"):
        assert np.isnan(getattr(errors, name)).all()
    assert np.isfinite(errors.low).all()
