"""Walks and paths beside powers of dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steadyvelo.engine import can_leave, drawn_paths, edges_of_walk, walk_distribution


@pytest.fixture(params=[0, 1])
def graphs(request):
    """Correlations of both signs; some cells have no edges, and none leads to some."""
    rng = np.random.default_rng(request.param)
    dense = rng.uniform(-1, 1, (80, 80)) * (rng.random((80, 80)) < 0.1)
    np.fill_diagonal(dense, 0.0)
    dense[[3, 7]] = 0
    dense[:, [7, 11]] = 0
    dense = dense.astype(np.float32)
    return sp.csr_matrix(np.maximum(dense, 0)), sp.csr_matrix(np.minimum(dense, 0)), dense


def probabilities(dense, scale, *, backward):
    """Transition probabilities, in float64; walks that cannot go on stay."""
    c = (dense.T if backward else dense).astype(np.float64)
    weights = np.where(c != 0, np.exp(scale * c), 0.0)
    sums = weights.sum(axis=1, keepdims=True)
    chances = np.divide(weights, sums, where=sums > 0, out=np.zeros_like(weights))
    return chances + np.diag((sums[:, 0] == 0).astype(float))


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("n_steps", [1, 2, 37])
def test_distributions_are_matrix_powers(graphs, backward, n_steps):
    graph, graph_neg, dense = graphs
    start = np.random.default_rng(2).random(80)
    start /= start.sum()
    chances = probabilities(dense, 7.0, backward=backward)
    expected = start @ np.linalg.matrix_power(chances, n_steps)
    for n_threads in (1, 3):
        options = {"scale": 7.0, "backward": backward, "n_threads": n_threads}
        found = walk_distribution(graph, graph_neg, start, n_steps, **options)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-12)
        assert found.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("backward", [False, True])
def test_walks_leave_cells_that_have_a_way_on(graphs, backward):
    graph, graph_neg, dense = graphs
    expected = (dense != 0).any(axis=0 if backward else 1)
    assert can_leave(graph, graph_neg, backward=backward).tolist() == expected.tolist()
    edges = edges_of_walk(graph, graph_neg, backward=backward, n_threads=2)
    np.testing.assert_array_equal(edges.toarray(), dense.T if backward else dense)


def path_in_a_loop(edges, cell, uniforms, scale):
    path = [cell]
    for uniform in uniforms:
        columns, c = edges[[cell]].indices, edges[[cell]].data.astype(np.float64)
        if len(columns):
            weights = np.exp(scale * (c - c.max()))
            shares = np.cumsum(weights) / weights.sum()
            cell = columns[min(np.searchsorted(shares, uniform, "right"), len(columns) - 1)]
        path.append(int(cell))
    return path


@pytest.mark.parametrize("backward", [False, True])
def test_paths_follow_the_probabilities(graphs, backward):
    graph, graph_neg, _ = graphs
    edges = edges_of_walk(graph, graph_neg, backward=backward)
    rng = np.random.default_rng(5)
    start, uniforms = rng.integers(0, 80, 60), rng.random((60, 20))
    paths = drawn_paths(edges, start, uniforms, scale=5.0, n_threads=3)
    expected = [
        path_in_a_loop(edges, cell, row, 5.0) for cell, row in zip(start, uniforms, strict=True)
    ]
    assert paths.tolist() == expected
    np.testing.assert_array_equal(paths, drawn_paths(edges, start, uniforms, scale=5.0))


def test_many_paths_have_the_distribution_of_a_walk(graphs):
    graph, graph_neg, dense = graphs
    uniforms = np.random.default_rng(6).random((40_000, 3))
    paths = drawn_paths(edges_of_walk(graph, graph_neg), np.zeros(40_000, int), uniforms, scale=2.0)
    chances = np.linalg.matrix_power(probabilities(dense, 2.0, backward=False), 3)[0]
    shares = np.bincount(paths[:, -1], minlength=80) / 40_000
    assert np.abs(shares - chances).max() < 5 * np.sqrt(0.25 / 40_000)
