"""Random draws by names: uniform, independent, and independent of which other names are drawn."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from steadyvelo._adata._draws import Names, hash_names

MANY = hash_names(f"cell {i}" for i in range(20_000))


def test_a_hash_is_that_of_the_standard_library():
    digest = hashlib.blake2b("κ-cell".encode(), digest_size=8).digest()
    np.testing.assert_array_equal(hash_names(["κ-cell"]), [int.from_bytes(digest, "little")])
    assert len(np.unique(MANY)) == len(MANY)


@given(
    names=st.lists(st.text(), min_size=64, max_size=90, unique=True),
    seed=st.integers(0, 2**40),
    data=st.data(),
)
def test_a_name_draws_the_same_in_any_order_and_company(names, seed, data):
    every = Names(hash_names(names), seed)
    part = data.draw(st.lists(st.integers(0, len(names) - 1), min_size=64, unique=True))
    some = Names(hash_names([names[i] for i in part]), seed)
    np.testing.assert_array_equal(some.halves("x"), every.halves("x")[part])
    np.testing.assert_array_equal(some.signs("x", 3), every.signs("x", 3)[:, part])
    np.testing.assert_array_equal(some.uniform("x"), every.uniform("x")[part])


@pytest.mark.parametrize("n", [1, 2, 3, 10, 63])
def test_few_names_are_divided_exactly_in_half(n):
    for seed in range(5):
        assert Names(MANY[:n], seed).halves("x").sum() == n // 2


def test_draws_are_uniform():
    for seed in range(3):
        assert stats.kstest(Names(MANY, seed).uniform("x"), "uniform").pvalue > 1e-3


def test_draws_of_other_seeds_and_purposes_are_independent():
    """Pairs of draws fall in all four combinations alike; 64 bits of a sign are 64 draws."""
    kinds = [
        Names(MANY, seed).halves(purpose) for seed in range(4) for purpose in ("x", "y", "x 1")
    ]
    signs = Names(MANY, 0).signs("x", 130)
    rows = np.vstack([2.0 * np.array(kinds) - 1, signs])
    correlation = rows @ rows.T / len(MANY)
    off = correlation[np.triu_indices(len(rows), 1)]
    # of standard normals, as many as there are pairs
    assert abs(off * np.sqrt(len(MANY))).max() < stats.norm.isf(0.5e-3 / len(off))
    assert abs(rows.mean(axis=1)).max() * np.sqrt(len(MANY)) < stats.norm.isf(0.5e-3 / len(rows))
