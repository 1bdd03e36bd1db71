"""Neighbours in the order of their distance, with falling weights."""

from __future__ import annotations

import numpy as np
import pytest

from steadyvelo.engine import CellOrder, RankedNeighbors, SmoothingOperator

N_CELLS, N_GENES = 40, 7


def drawn(rng=0, n_neighbors=9):
    """Random neighbours of every cell, none of which is the cell itself."""
    generator = np.random.default_rng(rng)
    others = [
        generator.choice(np.delete(np.arange(N_CELLS), i), n_neighbors, replace=False)
        for i in range(N_CELLS)
    ]
    return np.array(others, dtype=np.int32), generator


def dense(indices, weights):
    matrix = np.zeros((N_CELLS, N_CELLS))
    for i, row in enumerate(indices):
        matrix[i, row] = weights[: len(row)]
    return matrix


def test_the_nearer_half_counts_fully_and_the_last_least():
    indices, _ = drawn(n_neighbors=8)
    neighbors = RankedNeighbors.nearest(indices, n_nearest=4)
    np.testing.assert_allclose(neighbors.weights, [1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_rows_of_different_lengths_have_the_weights_of_their_ranks():
    indptr, indices = np.array([0, 4, 4, 6]), np.array([1, 2, 0, 1, 0, 1], dtype=np.int32)
    neighbors = RankedNeighbors.ranked(indptr, indices, n_nearest=2)
    np.testing.assert_allclose(neighbors.weights, [1, 1, 1, 0.5])
    values = np.array([[1.0], [2.0], [4.0]], dtype=np.float32)
    means = neighbors.means(values, np.ones(3, dtype=bool))
    np.testing.assert_allclose(means.ravel(), [(2 + 4 + 1 + 0.5 * 2) / 3.5, 0, 1.5])
    none = RankedNeighbors.ranked(np.zeros(4, dtype=np.int64), indices[:0], n_nearest=2)
    np.testing.assert_array_equal(none.means(values, np.ones(3, dtype=bool)), 0)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_neighbors", [1, 2, 9])
def test_means_and_spreading_are_a_matrix_and_its_transpose(n_neighbors, n_threads):
    indices, generator = drawn(1, n_neighbors)
    neighbors = RankedNeighbors.nearest(indices, n_nearest=n_neighbors)
    whole = dense(indices, neighbors.weights)
    chosen = generator.random(N_CELLS) < 0.5
    values = generator.normal(size=(N_CELLS, N_GENES)).astype(np.float32)

    part = whole * chosen
    total = part.sum(axis=1, keepdims=True)
    expected = np.divide(part, total, out=np.zeros_like(part), where=total > 0) @ values
    found = neighbors.means(values, chosen, n_threads)
    np.testing.assert_allclose(found, expected, atol=1e-6)

    w = whole / whole.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(neighbors.to_matrix().toarray(), w, rtol=1e-6)
    spreading = neighbors.spreading(chosen)
    given = np.empty_like(values)
    spreading.weigh(values, np.ones_like(values), given, np.empty((N_CELLS, 0), np.float32))
    expected = (w.T @ values) * chosen[:, None]
    np.testing.assert_allclose(spreading.received(given, n_threads), expected, atol=1e-6)


def test_neighbours_move_up_where_others_are_left_out():
    indices, generator = drawn(2)
    left_out = generator.random(N_CELLS) < 0.3
    neighbors = RankedNeighbors.nearest(indices, n_nearest=4)
    expected = dense([row[~left_out[row]] for row in indices], neighbors.weights)
    expected /= expected.sum(axis=1, keepdims=True)
    fewer = neighbors.without(left_out)
    np.testing.assert_allclose(fewer.to_matrix().toarray(), expected, rtol=1e-6)
    nearest = fewer.nearest_alone()
    np.testing.assert_array_equal(nearest.weights, np.ones(4))
    for i, row in enumerate(indices):
        kept = row[~left_out[row]][:4]
        found = nearest.indices[nearest.indptr[i] : nearest.indptr[i + 1]]
        np.testing.assert_array_equal(found, kept)


def test_another_order_of_rows_changes_no_mean():
    indices, generator = drawn(3)
    rows = generator.permutation(N_CELLS).astype(np.int32)
    order = CellOrder(rows, np.argsort(rows).astype(np.int32))
    neighbors = RankedNeighbors.nearest(indices, n_nearest=4)
    chosen = generator.random(N_CELLS) < 0.5
    values = generator.normal(size=(N_CELLS, N_GENES)).astype(np.float32)
    turned = neighbors.reordered(order).means(values[rows], chosen[rows])
    np.testing.assert_array_equal(turned, neighbors.means(values, chosen)[rows])


def test_equal_weights_are_those_of_a_plain_mean():
    indices, generator = drawn(4)
    plain = SmoothingOperator(np.arange(N_CELLS + 1) * 9, np.sort(indices, axis=1).ravel())
    values = generator.normal(size=(N_CELLS, N_GENES)).astype(np.float32)
    found = RankedNeighbors.equal(plain).means(values, np.ones(N_CELLS, dtype=bool))
    np.testing.assert_allclose(found, plain.apply(values), atol=1e-6)
