"""A sparse matrix as an operator, in threads, and its transpose."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steadyvelo.engine import row_products


@pytest.fixture(autouse=True, params=[1_000_000, 30])
def entries_per_part(request, monkeypatch):
    """One part, and as many as there can be."""
    monkeypatch.setattr("steadyvelo.engine._threads._ENTRIES_PER_PART", request.param)


def random_matrix(n_rows, n_columns, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(n_rows, n_columns)) * (rng.random((n_rows, n_columns)) < 0.2)
    return sp.csr_matrix(dense.astype(dtype))


@pytest.mark.parametrize("n_rows", [1, 3, 200])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products_are_those_of_the_matrix_for_any_number_of_threads(n_rows, dtype):
    matrix = random_matrix(n_rows, 50, dtype)
    right, left = np.random.default_rng(1).normal(size=50), np.arange(n_rows) - 1.5
    one = row_products(matrix)
    dense = matrix.toarray().astype(np.float64)
    np.testing.assert_allclose(one @ right, dense @ right, atol=1e-12)
    np.testing.assert_allclose(one.T @ left, dense.T @ left, atol=1e-12)
    for n_threads in (2, 7):
        several = row_products(matrix, n_threads=n_threads)
        np.testing.assert_array_equal(several @ right, one @ right)
        np.testing.assert_array_equal(several.T @ left, one.T @ left)
    # what composes two steps
    square = row_products(matrix, n_threads=3).T @ row_products(matrix, n_threads=2)
    np.testing.assert_allclose(square @ right, dense.T @ (dense @ right), atol=1e-12)


@pytest.mark.parametrize("n_vectors", [1, 2, 3, 8, 11, 17])
def test_products_with_several_vectors_at_once(n_vectors):
    matrix = random_matrix(120, 50, np.float32)
    vectors = np.random.default_rng(2).normal(size=(50, n_vectors))
    exact = matrix.toarray().astype(np.float64) @ vectors
    for n_threads in (1, 3):
        np.testing.assert_allclose(
            row_products(matrix, n_threads=n_threads) @ vectors, exact, atol=1e-12
        )


@pytest.mark.parametrize("absolute", [False, True])
def test_the_sum_of_matrices_and_of_their_absolute_values(absolute):
    matrices = [random_matrix(120, 50, np.float32, seed) for seed in (1, 2, 3)]
    exact = sum((abs(x) if absolute else x).toarray().astype(np.float64) for x in matrices)
    vectors, left = np.random.default_rng(4).normal(size=(50, 9)), np.arange(120) - 7.5
    for n_threads in (1, 3):
        operator = row_products(*matrices, absolute=absolute, n_threads=n_threads)
        np.testing.assert_allclose(operator @ vectors, exact @ vectors, atol=1e-12)
        np.testing.assert_allclose(operator @ vectors[:, 0], exact @ vectors[:, 0], atol=1e-12)
        np.testing.assert_allclose(operator.T @ left, exact.T @ left, atol=1e-12)


def test_no_entry_is_copied():
    matrix = sp.csr_matrix(np.eye(40))
    operators = [row_products(matrix, n_threads=2), row_products(matrix, n_threads=2).T]
    matrix.data[:] = 2
    for operator in operators:
        np.testing.assert_array_equal(operator @ np.ones(40), np.full(40, 2.0))


def test_rows_without_entries_are_zero():
    operator = row_products(sp.csr_matrix((6, 4)), n_threads=2)
    np.testing.assert_array_equal(operator @ np.ones(4), np.zeros(6))
    np.testing.assert_array_equal(operator.T @ np.ones(6), np.zeros(4))
