"""Closed forms against a numerical integrator and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from steadyvelo.model import evolve, induction, repression, steady_state

RATES = st.floats(0.05, 5.0)
AMOUNTS = st.floats(0.0, 50.0)


@given(alpha=AMOUNTS, beta=RATES, gamma=RATES, u0=AMOUNTS, s0=AMOUNTS, t=st.floats(0.0, 8.0))
def test_evolve_solves_the_rate_equations(alpha, beta, gamma, u0, s0, t):
    solution = solve_ivp(
        lambda _, y: [alpha - beta * y[0], beta * y[0] - gamma * y[1]],
        (0, max(t, 1e-9)),
        [u0, s0],
        rtol=1e-9,
        atol=1e-9,
    )
    u, s = evolve(t, u0, s0, transcription=alpha, splicing=beta, degradation=gamma)
    np.testing.assert_allclose([u, s], solution.y[:, -1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("gap", [0.0, 1e-15, 1e-9, 1e-4])
def test_nearly_equal_rates_need_no_case_of_their_own(gap):
    u, s = induction(2.0, transcription=1.0, splicing=1.0, degradation=1.0 + gap)
    # the limit for equal rates: s = 1 − e^{−t} − t e^{−t}
    np.testing.assert_allclose(s, 1 - 3 * np.exp(-2.0), rtol=1e-12 + 2 * gap)
    np.testing.assert_allclose(u, 1 - np.exp(-2.0), rtol=1e-12)


def test_long_times_and_fast_rates_do_not_overflow():
    u, s = evolve(1e4, 3.0, 5.0, transcription=2.0, splicing=50.0, degradation=0.5)
    np.testing.assert_allclose([u, s], [2 / 50, 4.0], rtol=1e-12)


def test_steady_state_ratio_is_gamma_over_beta_whatever_the_transcription():
    u, s = steady_state(np.array([0.5, 3.0, 40.0]), 2.0, 0.5)
    np.testing.assert_allclose(u / s, 0.25)


def test_steady_state_does_not_move():
    u0, s0 = steady_state(3.0, 2.0, 0.5)
    u, s = evolve(7.0, u0, s0, transcription=3.0, splicing=2.0, degradation=0.5)
    np.testing.assert_allclose([u, s], [u0, s0], rtol=1e-12)


def test_repression_is_evolution_without_transcription():
    np.testing.assert_array_equal(
        repression(1.5, 2.0, 3.0, splicing=1.0, degradation=0.3),
        evolve(1.5, 2.0, 3.0, transcription=0.0, splicing=1.0, degradation=0.3),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"transcription": -1.0}, "transcription rates must not be negative; .* -1"),
        ({"splicing": 0.0}, "splicing rates must be positive"),
        ({"degradation": -0.5}, "degradation rates must be positive; .* -0.5"),
    ],
)
def test_impossible_rates_are_refused(arguments, message):
    rates = {"transcription": 1.0, "splicing": 1.0, "degradation": 1.0, **arguments}
    with pytest.raises(ValueError, match=message):
        induction(1.0, **rates)


def test_negative_time_is_refused():
    with pytest.raises(ValueError, match=r"time must not be negative; .* -2"):
        induction(-2.0, transcription=1.0, splicing=1.0, degradation=1.0)
