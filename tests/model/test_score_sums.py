"""Sums of scores: they add, no order of the cells matters, and they follow the unit of u."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.model import Instruments
from tests.strategies import instruments, of_cells, permutations


def assert_equal_sums(found, expected, scale):
    """Compare all fields but how scores were centred, against the largest term there can be."""
    for field in fields(expected):
        if field.name != "centring":
            values = getattr(found, field.name), getattr(expected, field.name)
            np.testing.assert_allclose(*values, rtol=1e-9, atol=scale, err_msg=field.name)


# fourth powers of what was drawn reach 1e10
ROUNDING = 1e-4


@settings(max_examples=60, deadline=None)
@given(data=st.data(), centred=st.booleans(), samples=st.booleans())
def test_sums_over_parts_of_the_cells_add_to_the_whole(data, centred, samples):
    made = data.draw(instruments(samples=samples))
    cut = data.draw(st.integers(1, len(made.h) - 1))
    parts = of_cells(made, slice(cut)), of_cells(made, slice(cut, None))
    whole, means = made.means(), parts[0].means() + parts[1].means()
    assert_equal_sums(means, whole, 1e-9)
    centring = whole.centring(offset=centred)
    for by in (centring, None):
        added = parts[0].scores(by) + parts[1].scores(by)
        assert added.centring is by
        if samples:
            # the sums of a sample are those of its cells, whichever part has them
            n_samples = made.samples.max() + 1
            assert added.n_samples == n_samples
            members = (made.samples == np.arange(n_samples)[:, None]).astype(float)
            if by is None:
                expected = members @ (made.h.astype(float) * made.spliced)
                np.testing.assert_allclose(added.sample_spliced, expected, atol=1e-9)
        assert_equal_sums(added, made.scores(by), ROUNDING)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), centred=st.booleans(), samples=st.booleans())
def test_no_order_of_the_cells_matters(data, centred, samples):
    made = data.draw(instruments(samples=samples))
    order = data.draw(permutations(len(made.h)))
    turned = of_cells(made, order)
    assert_equal_sums(turned.sums(centred=centred), made.sums(centred=centred), ROUNDING)
    errors = made.errors(centred=centred)
    line = errors.gamma, errors.offset
    for a, b in zip(turned.line_influences(*line), made.line_influences(*line), strict=True):
        known = np.abs(b).max(axis=0, initial=0) < 1e3
        np.testing.assert_allclose(a[:, known], b[order][:, known], rtol=1e-4, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(made=instruments() | instruments(samples=True), centred=st.booleans(), data=st.data())
def test_in_other_units_ratios_and_errors_are_in_those_units(made, centred, data):
    # by powers of two nothing is rounded otherwise
    u, s, h, h0 = (2.0 ** data.draw(st.integers(-3, 3)) for _ in range(4))
    first = made.errors(centred=centred)
    second = replace(
        made,
        h=made.h * h,
        h0=made.h0 * h0,
        spliced=made.spliced * s,
        unspliced=made.unspliced * u,
        scales=made.scales * [s, u],
    ).errors(centred=centred)
    factors = dict.fromkeys(("gamma", "se", "low", "high"), u / s)
    factors |= {"offset": u, "offset_se": u, "covariance": u * u / s}
    factors |= dict.fromkeys(("molecules", "effective_cells", "offset_p"), 1.0)
    for name, factor in factors.items():
        values = getattr(second, name), factor * getattr(first, name)
        np.testing.assert_array_equal(*values, err_msg=name)


@settings(max_examples=20, deadline=None)
@given(made=instruments() | instruments(samples=True), centred=st.booleans())
def test_arrays_in_float32_are_summed_in_float64(made, centred):
    wide = {name: getattr(made, name).astype(float) for name in ("h", "h0", "spliced", "unspliced")}
    expected = replace(made, **wide).sums(centred=centred)
    assert_equal_sums(made.sums(centred=centred), expected, 0)


def test_sums_that_were_centred_otherwise_do_not_add():
    rng = np.random.default_rng(0)
    made = Instruments(*rng.random((4, 6, 3)), np.ones((6, 2)))
    with pytest.raises(ValueError, match="the same Centring"):
        made.sums(centred=True) + made.sums(centred=False)


def test_the_score_of_an_offset_may_come_from_other_instruments():
    rng = np.random.default_rng(1)
    arrays = rng.random((3, 9, 4))
    fitted = Instruments(arrays[0], np.empty((9, 0)), *arrays[1:], np.ones((9, 2)))
    both = Instruments(*rng.random((2, 9, 4)), *arrays[1:], np.ones((9, 2)))
    sums = fitted.sums(centred=False)
    tested = sums.testing(both.sums(centred=False))
    assert (sums.offset_score_squares == 0).all()
    np.testing.assert_array_equal(tested.offset_score, both.sums(centred=False).offset_score)
    np.testing.assert_array_equal(tested.spliced, sums.spliced)
