"""Sums of scores: they add, no order of the cells matters, and they follow the unit of u."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from steadyvelo.model import Instruments


@st.composite
def instruments(draw, *, samples=False):
    """Instruments and counts of some cells and genes, each cell of a sample where asked."""
    shape = draw(st.tuples(st.integers(2, 12), st.integers(1, 40)))
    h, h0 = (draw(hnp.arrays(np.float32, shape, elements=st.floats(0, 8, width=32))) for _ in "ab")
    s, u = (draw(hnp.arrays(np.int8, shape, elements=st.integers(0, 9))) for _ in "su")
    scales = draw(hnp.arrays(np.float64, (shape[0], 2), elements=st.floats(0.25, 4)))
    counts = (np.float32(x * d[:, None]) for x, d in zip((s, u), scales.T, strict=True))
    numbers = None
    if samples:
        numbers = draw(hnp.arrays(np.intp, shape[:1], elements=st.integers(0, 3)))
    return Instruments(h, h0, *counts, scales, numbers)


def of_cells(made, rows):
    """Instruments of some of the rows."""
    return Instruments(
        *(x[rows] for x in (made.h, made.h0, made.spliced, made.unspliced, made.scales)),
        None if made.samples is None else made.samples[rows],
    )


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
    order = np.array(data.draw(st.permutations(range(len(made.h)))))
    turned = of_cells(made, order)
    assert_equal_sums(turned.sums(centred=centred), made.sums(centred=centred), ROUNDING)
    gamma = made.errors(centred=centred).gamma
    for a, b in zip(
        turned.influences(gamma, centred=centred),
        made.influences(gamma, centred=centred),
        strict=True,
    ):
        known = np.abs(b).max(axis=0) < 1e3
        np.testing.assert_allclose(a[:, known], b[order][:, known], rtol=1e-6, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), centred=st.booleans(), samples=st.booleans(), power=st.integers(-3, 3))
def test_in_another_unit_of_u_ratios_and_errors_are_in_that_unit(data, centred, samples, power):
    # by a power of two nothing is rounded otherwise
    unit = 2.0**power
    made = data.draw(instruments(samples=samples))
    first = made.errors(centred=centred)
    other = replace(made, unspliced=made.unspliced * unit, scales=made.scales * [1, unit])
    second = other.errors(centred=centred)
    for name in ("gamma", "offset", "se", "offset_se", "low", "high"):
        np.testing.assert_array_equal(
            getattr(second, name), unit * getattr(first, name), err_msg=name
        )
    np.testing.assert_array_equal(second.covariance, unit**2 * first.covariance)
    for name in ("molecules", "effective_cells", "offset_p"):
        np.testing.assert_array_equal(getattr(second, name), getattr(first, name), err_msg=name)


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
