"""Weight rules, written out once more in a few lines of numpy each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.model import WEIGHT_RULES, resolve_quantiles, steady_state_weights
from steadyvelo.model._weights import extreme_codes, extreme_sets
from tests.strategies import abundances, shapes


def by_hand(rule, s, u, low, high):
    """Weights of one gene."""

    def outside(x, q):
        return ((x <= np.percentile(x, q[0])) | (x >= np.percentile(x, q[1]))).astype(float)

    def diag():
        return outside(s / np.percentile(s, 99.9) + u / np.percentile(u, 99.9), (2, 98))

    if rule == "extremes":
        z = s / max(s.max(), 1e-3) + u / max(u.max(), 1e-3)
        chosen = z >= np.quantile(z, high)
        return (chosen if low is None else chosen | (z <= np.quantile(z, low))).astype(float)
    if rule == "maxmin_weighted":
        p2, p98 = np.percentile(s, [2, 98])
        r = (np.clip(s, p2, p98) - p2) / (p98 - p2)
        return (r**15 + (1 - r) ** 15) / 2
    return {
        "all": lambda: np.ones_like(s),
        "maxmin": lambda: outside(s, (2, 98)),
        "maxmin_diag": diag,
        "sum": lambda: s / np.percentile(s, 99) + u / np.percentile(u, 99),
        "prod": lambda: s / np.percentile(s, 99) * (u / np.percentile(u, 99)),
        "maxmin_double": lambda: diag() + outside(s, (2, 98)),
    }[rule]()


@pytest.mark.parametrize("rule", WEIGHT_RULES)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), low=st.sampled_from([None, 0.05, 0.2]))
def test_rules_are_what_they_say(rule, data, low):
    shape = data.draw(shapes((1, 4), (20, 60)))
    # some counts of each kind, so that percentiles are not 0
    s, u = (data.draw(abundances(shape)) + np.linspace(0.5, 1, shape[1]) for _ in "su")
    weights = steady_state_weights(s, u, rule, quantiles=(low, 0.9))
    expected = [by_hand(rule, *gene, low, 0.9) for gene in zip(s, u, strict=True)]
    np.testing.assert_allclose(weights, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("rule", WEIGHT_RULES)
def test_cells_that_are_left_out_neither_count_nor_shift_the_quantiles(rule):
    s, u = np.random.default_rng(0).gamma(2, size=(2, 3, 60))
    cells = np.arange(60) % 3 != 0
    weights = steady_state_weights(s, u, rule, cells=cells)
    assert (weights[:, ~cells] == 0).all()
    np.testing.assert_array_equal(
        weights[:, cells], steady_state_weights(s[:, cells], u[:, cells], rule)
    )


def test_ties_at_the_threshold_are_kept():
    s = np.array([[0.0, 0, 0, 0, 0, 0, 1, 1, 1, 1]])
    weights = steady_state_weights(s, s, quantiles=(None, 0.95))
    assert weights.sum() == 4


def test_a_silent_gene_gives_weights_and_no_division_by_zero():
    s = np.zeros((1, 10))
    for rule in WEIGHT_RULES:
        assert np.isfinite(steady_state_weights(s, s, rule)).all()


def test_a_gene_in_few_cells_is_scaled_by_its_maximum():
    s = np.zeros((1, 5000))
    s[0, :2] = 7.0, 3.0
    weights = steady_state_weights(s, np.ones_like(s), "maxmin_diag")
    assert weights[0, 0] == 1


def test_units_do_not_matter():
    s, u = np.random.default_rng(1).gamma(2, size=(2, 3, 80))
    for rule in WEIGHT_RULES:
        np.testing.assert_allclose(
            steady_state_weights(50 * s, 0.5 * u, rule), steady_state_weights(s, u, rule), rtol=1e-9
        )


def test_an_unknown_rule_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'best' is unknown; the rules are 'extremes', 'all'"):
        steady_state_weights(np.ones((1, 3)), np.ones((1, 3)), "best")


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(False, (None, 0.95)), (True, (0.05, 0.95)), ("nonnegative", (0.05, 0.95))],
)
def test_default_quantiles_are_those_of_scvelo(offset, expected):
    assert resolve_quantiles(None, offset=offset) == expected


def test_given_quantiles_are_honoured_through_the_origin_too():
    assert resolve_quantiles((0.1, 0.9), offset=False) == (0.1, 0.9)


@pytest.mark.parametrize(
    ("quantiles", "message"),
    [
        ((None, None), "low=None and high=None select no cells"),
        ((5, 95), "low must be in .*95th percentile; it is 5"),
        ((None, 95), "high must be in .*; it is 95"),
        ((0.9, 0.1), "low=0.9 is above high=0.1"),
        (0.95, "must be a pair"),
        ((0.1, 0.5, 0.9), "must be a pair"),
    ],
)
def test_impossible_quantiles_are_refused(quantiles, message):
    with pytest.raises(ValueError, match=message):
        resolve_quantiles(quantiles, offset=False)


def test_a_faint_gene_is_not_blown_up_to_the_height_of_the_other_layer():
    # maxima under 0.001 are scaled by 0.001: here u decides, though s/max(s) would
    s = np.linspace(0, 1e-5, 21)[None, ::-1].copy()
    u = np.linspace(0, 1, 21)[None]
    assert np.flatnonzero(steady_state_weights(s, u)[0]).tolist() == [19, 20]


@pytest.mark.parametrize("quantiles", [[(None, 0.95), (0.05, 0.95)], [(0.1, None)], [(0.2, 0.7)]])
def test_codes_are_the_sets(quantiles):
    rng = np.random.default_rng(0)
    s, u = (rng.poisson(0.7, (6, 301)).astype(np.float32) * rng.random(301) for _ in range(2))
    s, u = s.astype(np.float32), u.astype(np.float32)
    codes = extreme_codes(s, u, quantiles)
    for bit, marks in enumerate(extreme_sets(s, u, quantiles)):
        np.testing.assert_array_equal(codes >> bit & 1 > 0, marks)
        assert marks.any()
