"""A sparse matrix as an operator, in threads, with its transpose and with both at once."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steadyvelo.engine import CellOrder, row_products, symmetric_products


@pytest.fixture(autouse=True, params=[1_000_000, 30])
def entries_per_part(request, monkeypatch):
    """One part, and as many as there can be."""
    monkeypatch.setattr("steadyvelo.engine._products._ENTRIES_PER_PART", request.param)


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
        several = row_products(matrix, n_threads)
        np.testing.assert_array_equal(several @ right, one @ right)
        np.testing.assert_array_equal(several.T @ left, one.T @ left)
    # what composes two steps
    square = row_products(matrix, 3).T @ row_products(matrix, 2)
    np.testing.assert_allclose(square @ right, dense.T @ (dense @ right), atol=1e-12)


@pytest.mark.parametrize("n_cells", [1, 7, 300])
def test_the_sum_with_the_transpose_is_never_made(n_cells):
    matrix = random_matrix(n_cells, n_cells, np.float32)
    vector = np.random.default_rng(1).normal(size=n_cells)
    dense = matrix.toarray().astype(np.float64)
    one = symmetric_products(matrix)
    np.testing.assert_allclose(one @ vector, (dense + dense.T) @ vector, atol=1e-12)
    np.testing.assert_array_equal(one.T @ vector, one @ vector)
    for n_threads in (2, 7):
        np.testing.assert_array_equal(symmetric_products(matrix, n_threads) @ vector, one @ vector)


def test_no_entry_is_copied():
    matrix = sp.csr_matrix(np.eye(40))
    operators = [row_products(matrix, 2), row_products(matrix, 2).T, symmetric_products(matrix, 2)]
    matrix.data[:] = 2
    for operator, factor in zip(operators, (2.0, 2.0, 4.0), strict=True):
        np.testing.assert_array_equal(operator @ np.ones(40), np.full(40, factor))


def test_rows_without_entries_are_zero():
    operator = row_products(sp.csr_matrix((6, 4)), 2)
    np.testing.assert_array_equal(operator @ np.ones(4), np.zeros(6))
    np.testing.assert_array_equal(operator.T @ np.ones(6), np.zeros(4))


def test_rows_may_have_another_order():
    matrix = random_matrix(60, 60, np.float32)
    order = CellOrder.along(matrix.indptr, matrix.indices)
    rows = order.permuted(matrix)
    assert not np.array_equal(order.cell_of_row, np.arange(60))
    np.testing.assert_array_equal(
        rows.toarray(), matrix.toarray()[np.ix_(order.cell_of_row, order.cell_of_row)]
    )
    vector = np.random.default_rng(1).normal(size=60)
    pairs = [
        (row_products(rows, 2, order), row_products(matrix)),
        (row_products(rows, 2, order).T, row_products(matrix).T),
        (symmetric_products(rows, 2, order), symmetric_products(matrix)),
    ]
    for ordered, plain in pairs:
        np.testing.assert_allclose(ordered @ vector, plain @ vector, atol=1e-12)
