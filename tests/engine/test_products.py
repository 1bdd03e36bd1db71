"""A sparse matrix as an operator whose rows are multiplied in threads."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steadyvelo.engine import row_products


@pytest.mark.parametrize("n_rows", [1, 3, 200])
def test_products_are_those_of_the_matrix_for_any_number_of_threads(n_rows):
    matrix = sp.random(n_rows, 50, density=0.2, format="csr", rng=np.random.default_rng(0))
    matrix = sp.csr_matrix(matrix)
    vector = np.random.default_rng(1).normal(size=50)
    exact = matrix.toarray() @ vector
    one = row_products(matrix) @ vector
    np.testing.assert_allclose(one, exact, atol=1e-12)
    for n_threads in (2, 7):
        np.testing.assert_array_equal(row_products(matrix, n_threads) @ vector, one)
    # what composes two steps
    square = row_products(sp.csr_matrix(matrix.T), 3) @ row_products(matrix, 2)
    np.testing.assert_allclose(square @ vector, matrix.T @ exact, atol=1e-12)


def test_no_entry_is_copied():
    matrix = sp.csr_matrix(np.eye(40))
    operator = row_products(matrix, 2)
    matrix.data[:] = 2
    np.testing.assert_array_equal(operator @ np.ones(40), np.full(40, 2.0))


def test_rows_without_entries_are_zero():
    operator = row_products(sp.csr_matrix((6, 4)), 2)
    np.testing.assert_array_equal(operator @ np.ones(4), np.zeros(6))
