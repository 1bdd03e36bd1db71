"""Moments of groups of cells, and of all cells but a group's."""

from __future__ import annotations

import numpy as np
import pytest

from steadyvelo.model import GroupMoments


@pytest.fixture
def grouped():
    generator = np.random.default_rng(0)
    # group 3 has no cells, and a mean far from 0 shows lost digits
    codes = generator.choice([-1, 0, 1, 2, 4], 200)
    return generator.normal(1e4, 1, (200, 6)), codes


def check(moments, number, values):
    assert moments.cells[number] == len(values)
    np.testing.assert_allclose(moments.means[number], values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.squares[number], values.var(axis=0) * len(values), rtol=1e-9)


def test_moments_of_every_group_and_of_all_others(grouped):
    values, codes = grouped
    moments = GroupMoments.of(values, codes, 5)
    others = moments.others()
    for number in (0, 1, 2, 4):
        check(moments, number, values[codes == number])
        check(others, number, values[(codes >= 0) & (codes != number)])
    assert moments.cells[3] == 0
    assert (moments.means[3] == 0).all()
    check(others, 3, values[codes >= 0])


def test_a_part_of_the_groups_has_others_of_its_own(grouped):
    values, codes = grouped
    others = GroupMoments.of(values, codes, 5).part(slice(0, 2)).others()
    check(others, 0, values[codes == 1])


def test_one_group_has_no_others(grouped):
    values, _ = grouped
    others = GroupMoments.of(values, np.zeros(200, dtype=int), 1).others()
    assert others.cells.tolist() == [0]
    assert (others.squares == 0).all()
