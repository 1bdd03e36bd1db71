"""Intervals of ratios: what they hold, and what of the cells and of the level moves them."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.model import Instruments, RatioErrors
from tests.strategies import instruments, of_cells, permutations

LEVELS = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


def assert_equal_errors(found, expected):
    for field in fields(expected):
        # the score of an offset is taken at a ratio that is rounded
        if field.name != "offset_p":
            values = getattr(found, field.name), getattr(expected, field.name)
            np.testing.assert_array_equal(*values, err_msg=field.name)


@settings(max_examples=40, deadline=None)
@given(
    made=instruments() | instruments(samples=True),
    centred=st.booleans(),
    levels=st.tuples(LEVELS, LEVELS),
)
def test_an_interval_holds_its_estimate_and_widens_with_its_level(made, centred, levels):
    less, more = (made.errors(centred=centred, level=level) for level in sorted(levels))
    known = np.isfinite(less.gamma) & ~np.isnan(less.low) & ~np.isnan(more.low)
    # only rounding of the estimate may lie beyond
    rounding = 1e-9 * np.abs(less.gamma[known])
    # a ratio is not negative without an offset, though instruments may estimate it at 0
    assert (less.low[known] <= less.gamma[known] + rounding).all()
    assert (less.high[known] >= less.gamma[known] - rounding).all()
    # ends are roots of a difference, of which half of the digits are left if nearly all weight is
    # on one cell
    rounding = 1e-6 * np.abs(less.gamma[known])
    assert (more.low[known] <= less.low[known] + rounding).all()
    assert (more.high[known] >= less.high[known] - rounding).all()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), samples=st.booleans())
def test_no_order_of_the_cells_and_no_split_of_them_moves_an_interval(data, samples):
    made = data.draw(instruments(samples=samples, exact=True))
    expected = made.errors(centred=False)
    order = data.draw(permutations(len(made.h)))
    assert_equal_errors(of_cells(made, order).errors(centred=False), expected)
    cut = data.draw(st.integers(1, len(made.h) - 1))
    parts = of_cells(made, order[:cut]), of_cells(made, order[cut:])
    centring = (parts[0].means() + parts[1].means()).centring(offset=False)
    added = parts[0].scores(centring) + parts[1].scores(centring)
    assert_equal_errors(RatioErrors.from_sums(added), expected)


@settings(max_examples=40, deadline=None)
@given(made=instruments(exact=True), data=st.data())
def test_cells_without_weight_are_no_part_of_the_fit(made, data):
    made.h[0], made.h0[0] = 0, 0
    made.h[1:] += 1 / 16
    rest = of_cells(made, slice(1, None))
    assert_equal_errors(made.errors(centred=False), rest.errors(centred=False))


@pytest.mark.parametrize("h", [1.0, 3.0, 5.0, 7.0])
def test_one_cell_bounds_no_ratio(h):
    # a cell cannot say how far it may lie from others; rounding once said that it can
    rows = np.array([[h], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full((2, 1), 3.0)
    errors = Instruments(*rows, np.ones((2, 2))).errors(centred=False, level=0.8)
    assert errors.gamma[0] == pytest.approx(3)
    assert (errors.low[0], errors.high[0]) == (0, np.inf)


def test_counts_that_do_not_vary_give_no_ratio_beside_an_offset():
    rng = np.random.default_rng(0)
    h, h0, unspliced = rng.random((3, 40, 50)).astype(np.float32)
    spliced = np.full_like(h, 0.3)
    made = Instruments(h, h0, spliced, unspliced, np.ones((40, 2)))
    # the sum would be 0 without rounding
    assert (made.sums(centred=True).spliced != 0).any()
    errors = made.errors(centred=True)
    assert np.isnan(errors.gamma).all()
    assert np.isnan(made.line_influences(errors.gamma, errors.offset)[0]).all()
    assert np.isfinite(made.errors(centred=False).gamma).all()
