"""Extrapolated abundances beside the kinetics, integrated step by step."""

from __future__ import annotations

import numpy as np
import pytest

from steadyvelo.model import evolve, extrapolated

RNG = np.random.default_rng(0)
GAMMA = np.array([0.1, 0.5, 1.0, 2.5])
SPLICED, UNSPLICED = RNG.uniform(0, 3, (2, 30, 4))
VELOCITY = UNSPLICED - GAMMA * SPLICED


@pytest.mark.parametrize("time", [0.0, 0.3, 4.0])
def test_a_constant_velocity_is_a_line(time):
    found = extrapolated(SPLICED, VELOCITY, GAMMA, time)
    np.testing.assert_allclose(found, np.maximum(SPLICED + time * VELOCITY, 0))


@pytest.mark.parametrize("time", [0.0, 0.3, 4.0])
def test_constant_unspliced_solves_the_equation(time):
    found = extrapolated(SPLICED, VELOCITY, GAMMA, time, "constant_unspliced")
    n_steps = 20_000
    s = SPLICED.copy()
    for _ in range(n_steps):
        # the midpoint rule
        half = s + 0.5 * time / n_steps * (UNSPLICED - GAMMA * s)
        s = s + time / n_steps * (UNSPLICED - GAMMA * half)
    np.testing.assert_allclose(found, s, rtol=1e-6)


def test_the_kinetics_with_a_transcription_that_keeps_u_constant():
    expected = evolve(
        np.full((30, 1), 2.0),
        UNSPLICED,
        SPLICED,
        transcription=UNSPLICED,
        splicing=np.ones(4),
        degradation=GAMMA,
    )[1]
    found = extrapolated(SPLICED, VELOCITY, GAMMA, 2.0, "constant_unspliced")
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_after_a_long_time_genes_are_at_their_steady_state():
    found = extrapolated(SPLICED, VELOCITY, GAMMA, 1e3, "constant_unspliced")
    np.testing.assert_allclose(found, UNSPLICED / GAMMA, rtol=1e-9)


def test_both_agree_for_a_short_time():
    lines, curves = (
        extrapolated(SPLICED, VELOCITY, GAMMA, 1e-6, how)
        for how in ("constant_velocity", "constant_unspliced")
    )
    np.testing.assert_allclose(lines, curves, atol=1e-10)


def test_rates_at_the_edge():
    s, v = np.full((1, 4), 2.0), np.array([[1.0, 1.0, 1.0, 1.0]])
    gamma = np.array([0.0, 1e-12, -0.5, np.nan])
    found = extrapolated(s, v, gamma, 3.0, "constant_unspliced")
    np.testing.assert_allclose(found, [[5.0, 5.0, np.nan, np.nan]], rtol=1e-9)
    lines = extrapolated(s, np.where(np.isnan(gamma), np.nan, v), gamma, 3.0)
    np.testing.assert_allclose(lines, [[5.0, 5.0, 5.0, np.nan]])


def test_abundances_are_not_negative():
    s, v = np.array([[1.0]]), np.array([[-2.0]])
    assert extrapolated(s, v, np.array([0.5]), 1.0).tolist() == [[0.0]]
    # u − o = −1.5 counts as 0
    decay = extrapolated(s, v, np.array([0.5]), 1.0, "constant_unspliced")
    np.testing.assert_allclose(decay, [[np.exp(-0.5)]])
