"""Transposed smoothing, against products of matrices."""

from __future__ import annotations

import numpy as np
import pytest

from steadyvelo.engine import CellOrder, SmoothingOperator, Spreading

N_CELLS = 700


def operator(generator, order):
    """Between 0 and 20 neighbours a cell."""
    degree = generator.integers(0, 21, N_CELLS)
    indices = [np.sort(generator.permutation(N_CELLS)[:n]) for n in degree]
    indptr = np.concatenate([[0], np.cumsum(degree)]).astype(np.int64)
    between_cells = SmoothingOperator(indptr, np.concatenate(indices).astype(np.int32))
    return between_cells, between_cells.reordered(order)


@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("n_genes", [1, 300])
@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("with_offset", [False, True])
def test_each_cell_receives_what_smoothing_takes_from_it(some, n_genes, numbers, with_offset):
    generator = np.random.default_rng(0)
    permuted = generator.permutation(N_CELLS).astype(np.int32)
    order = CellOrder(permuted, np.argsort(permuted).astype(np.int32))
    cells, rows = operator(generator, order)
    receives = generator.random(N_CELLS) < 0.5 if some else np.ones(N_CELLS, dtype=bool)
    values = generator.random((N_CELLS, n_genes), dtype=np.float32)
    weights = generator.random((N_CELLS, n_genes)) < 0.3
    if numbers:
        weights = np.float32(0.7) * weights
    permuted_cells = order.cell_of_row
    spreading = Spreading.transposing(rows, receives[permuted_cells] if some else None)
    given, given0 = (
        np.full((N_CELLS, width), 7, dtype=np.float32) for width in (n_genes, n_genes * with_offset)
    )
    spreading.weigh(values[permuted_cells], weights[permuted_cells], given, given0, 2)
    w = cells.to_matrix().toarray() * receives
    expected = w.T @ (weights * values)
    np.testing.assert_allclose(
        spreading.received(given)[order.row_of_cell], expected, rtol=1e-5, atol=1e-6
    )
    out = np.full_like(given, 7.0)
    assert spreading.received(given, 2, out) is out
    np.testing.assert_array_equal(out, spreading.received(given))
    if with_offset:
        expected = w.T @ weights
        np.testing.assert_allclose(
            spreading.received(given0)[order.row_of_cell], expected, rtol=1e-5, atol=1e-6
        )


def test_the_means_of_some_rows_alone_are_transposed():
    generator = np.random.default_rng(4)
    permuted = generator.permutation(N_CELLS).astype(np.int32)
    _, smoothing = operator(generator, CellOrder(permuted, np.argsort(permuted).astype(np.int32)))
    rows = np.flatnonzero(generator.random(N_CELLS) < 0.03)
    spreading, receivers = Spreading.of_rows(smoothing, rows)
    values = generator.random((len(rows), 5), dtype=np.float32)
    weights = generator.random((len(rows), 5)) < 0.7
    given, given0 = np.empty((2, len(rows), 5), dtype=np.float32)
    spreading.weigh(values, weights, given, given0, 2)
    w = smoothing.to_matrix().toarray()[rows]
    for terms, expected in ((given, w.T @ (weights * values)), (given0, w.T @ weights)):
        found = spreading.received(terms, 2)
        assert len(found) == spreading.n_receivers == len(receivers) < N_CELLS
        np.testing.assert_allclose(found, expected[receivers], rtol=1e-5, atol=1e-6)
    # rows that receive nothing are left out
    np.testing.assert_array_equal(receivers, np.flatnonzero((w > 0).any(axis=0)))
