"""Compiled loops of the model against a few lines of numpy that say what they compute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from steadyvelo.model import SufficientStatistics, steady_state_weights
from steadyvelo.model._kernels._statistics import weighted_sums
from steadyvelo.model._kernels._weights import percentile, row_percentiles, select
from tests.strategies import abundances, counts, shapes, weights

VALUES = hnp.arrays(
    np.float64,
    st.integers(1, 60),
    elements=st.floats(-1e6, 1e6, allow_subnormal=False) | st.sampled_from([0.0, 1.0, 1e-300]),
)


@settings(max_examples=200, deadline=None)
@given(values=VALUES, data=st.data())
def test_selected_values_are_those_of_the_sorted_array(values, data):
    k = data.draw(st.integers(0, len(values) - 1))
    kept = values.copy()
    # values that differ by less than 1e-300 are taken as equal
    assert abs(select(values, k, np.empty(len(values))) - np.sort(values)[k]) < 1e-300
    np.testing.assert_array_equal(values, kept)


@settings(max_examples=200, deadline=None)
@given(values=VALUES, share=st.floats(0, 1) | st.sampled_from([0.05, 0.95, 0.98, 0.999]))
def test_percentiles_are_those_of_numpy_to_the_last_digit(values, share):
    values[abs(values) < 1e-290] = 0
    assert percentile(values, share, np.empty(len(values))) == np.quantile(values, share)


def test_percentiles_of_many_equal_and_of_very_unequal_values():
    rng = np.random.default_rng(0)
    rows = np.stack(
        [
            np.where(rng.random(20_001) < 0.97, 0.0, rng.gamma(1, size=20_001)),
            np.exp(rng.normal(0, 30, 20_001)),
            np.full(20_001, 3.5),
            np.arange(20_001.0)[::-1],
        ]
    )
    shares = np.array([0.0, 0.02, 0.5, 0.95, 0.999, 1.0])
    out = np.empty((4, 6))
    row_percentiles(rows, shares, out)
    np.testing.assert_array_equal(out, np.quantile(rows, shares, axis=1).T)


@settings(max_examples=30, deadline=None)
@given(
    data=st.data(),
    shape=shapes((1, 3), (2, 40)),
    low=st.none() | st.floats(0, 0.4),
    high=st.none() | st.floats(0.6, 1),
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_cells_are_those_beyond_the_quantiles_of_z(data, shape, low, high, dtype):
    s, u = (data.draw(counts(shape, largest=4)).astype(dtype) for _ in "su")
    u *= dtype(0.3)
    z = s.astype(float) / np.maximum(s.max(axis=1, keepdims=True).astype(float), 1e-3)
    z += u.astype(float) / np.maximum(u.max(axis=1, keepdims=True).astype(float), 1e-3)
    expected = np.zeros(z.shape, dtype=bool)
    for q, beyond in ((low, np.less_equal), (high, np.greater_equal)):
        if q is not None:
            expected |= beyond(z, np.quantile(z, q, axis=1, keepdims=True))
    found = steady_state_weights(s, u, quantiles=(low, high))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)
    given_memory = np.empty(z.shape, dtype=bool)
    assert steady_state_weights(s, u, quantiles=(low, high), out=given_memory) is given_memory
    np.testing.assert_array_equal(given_memory, expected)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), shape=shapes((1, 4), (2, 40)), one_row=st.booleans(), marks=st.booleans())
def test_weighted_sums_gene_by_gene(data, shape, one_row, marks):
    s, u = (data.draw(abundances(shape, dtype=np.float32)) for _ in "su")
    w = data.draw(weights((1 if one_row else len(s), shape[1])))
    w[:, 0] = 1
    w = w > 0.5 if marks else w
    out = np.empty((len(s), 8))
    weighted_sums(s, u, w, out)
    for g in range(len(s)):
        x, y, weight = s[g].astype(float), u[g].astype(float), np.broadcast_to(w, s.shape)[g] * 1.0
        x_mean, y_mean = np.average(x, weights=weight), np.average(y, weights=weight)
        dx, dy = x - x_mean, y - y_mean
        sums = [weight.sum(), x_mean, y_mean, 0, 0]
        sums += [(weight * a * b).sum() for a, b in ((dx, dx), (dx, dy), (dy, dy))]
        np.testing.assert_allclose(out[g], sums, rtol=1e-12, atol=1e-11)


def test_gene_rows_in_float32_give_the_statistics_of_float64():
    rng = np.random.default_rng(0)
    s, u = rng.gamma(2, size=(2, 5, 300)).astype(np.float32)
    narrow = SufficientStatistics.from_gene_rows(s, u)
    wide = SufficientStatistics.from_arrays(s.T.astype(float), u.T.astype(float))
    np.testing.assert_array_equal(narrow.cross_products, wide.cross_products)
    np.testing.assert_array_equal(narrow.spliced_squares, wide.spliced_squares)
