"""Steps of walks along and against edges, and the transpose, beside dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steadyvelo.engine import steps_against, steps_along, transposed_sum


@pytest.fixture(autouse=True, params=[1_000_000, 30])
def entries_per_part(request, monkeypatch):
    """One part, and as many as there can be."""
    monkeypatch.setattr("steadyvelo.engine._threads._ENTRIES_PER_PART", request.param)


@pytest.fixture(params=[0, 1])
def graphs(request):
    """Correlations of both signs; some cells have no edges, and none leads to some."""
    rng = np.random.default_rng(request.param)
    dense = rng.uniform(-1, 1, (80, 80)) * (rng.random((80, 80)) < 0.1)
    dense[[3, 7]] = 0
    dense[:, [7, 11]] = 0
    dense = dense.astype(np.float32)
    return sp.csr_matrix(np.maximum(dense, 0)), sp.csr_matrix(np.minimum(dense, 0)), dense


def exponentials(dense, scale, axis):
    there = dense != 0
    values = np.where(there, dense.astype(np.float64), -np.inf)
    top = values.max(axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(there, np.exp(scale * (values - top)), 0.0)


def steps(graph, graph_neg, scale, axis, n_threads=1):
    """Steps along the edges (axis 1) or against them."""
    if axis == 0:
        return steps_against(graph, graph_neg, scale, n_threads)
    return steps_along(transposed_sum(graph, graph_neg, n_threads), scale, n_threads)


@pytest.mark.parametrize("scale", [10.0, 200.0, 1e39])
def test_steps_are_those_of_the_transition_probabilities(graphs, scale):
    graph, graph_neg, dense = graphs
    for axis in (1, 0):
        weights = exponentials(dense, scale, axis)
        sums = weights.sum(axis=axis, keepdims=True)
        chances = np.divide(weights, sums, where=sums > 0, out=np.zeros_like(weights))
        # a walk against an edge from i to j goes from j to i
        expected = chances.T if axis == 1 else chances
        one = steps(graph, graph_neg, scale, axis)
        np.testing.assert_allclose(one @ np.eye(80), expected, rtol=1e-5, atol=1e-30)
        several = steps(graph, graph_neg, scale, axis, 3)
        start = np.arange(80.0)
        np.testing.assert_array_equal(several @ start, one @ start)
    assert graph.toarray().tolist() == np.maximum(dense, 0).tolist()


def test_the_transpose_has_the_edges_of_both_signs_in_order(graphs):
    graph, graph_neg, dense = graphs
    for n_threads in (1, 3):
        turned = transposed_sum(graph, graph_neg, n_threads)
        assert turned.dtype == np.float32
        np.testing.assert_array_equal(turned.toarray(), dense.T)
        assert turned.nnz == graph.nnz + graph_neg.nnz
    empty = sp.csr_matrix((5, 5), dtype=np.float32)
    assert transposed_sum(empty, empty).nnz == 0
