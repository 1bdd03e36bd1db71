"""Flows between clusters and their connectivity, beside dense matrices and loops."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree

from steadyvelo.engine import (
    cluster_connectivities,
    cluster_flows,
    flows_into,
    spanning_tree,
    transition_probabilities,
)
from tests.strategies import graphs, group_codes


@pytest.fixture(params=[1_000_000, 30])
def entries_per_part(request, monkeypatch):
    """One part, and as many as there can be."""
    monkeypatch.setattr("steadyvelo.engine._threads._ENTRIES_PER_PART", request.param)


def halves(dense):
    dense = dense.astype(np.float32)
    return sp.csr_matrix(np.maximum(dense, 0)), sp.csr_matrix(np.minimum(dense, 0))


def random_correlations(seed, n=90):
    rng = np.random.default_rng(seed)
    dense = rng.uniform(-1, 1, (n, n)) * (rng.random((n, n)) < 0.1)
    np.fill_diagonal(dense, 0.0)
    dense[[4, 8]] = 0
    return dense.astype(np.float32), rng.integers(-1, 4, n)


@pytest.mark.usefixtures("entries_per_part")
@pytest.mark.parametrize("scale", [10.0, 300.0])
def test_flows_are_sums_of_transition_probabilities(scale):
    dense, codes = random_correlations(0)
    graph, graph_neg = halves(dense)
    member = (codes[:, None] == np.arange(4)).astype(float)
    flows = cluster_flows(graph, graph_neg, codes, 4, scale=scale)
    for found, c in ((flows.along, dense), (flows.against, -dense)):
        steps = transition_probabilities(*halves(c), scale=scale).toarray().astype(np.float64)
        np.testing.assert_allclose(found, member.T @ steps @ member, rtol=1e-5, atol=1e-7)
    there = dense != 0
    degrees = there.sum(axis=1, keepdims=True)
    equal = np.divide(there, degrees, where=degrees > 0, out=np.zeros_like(dense, dtype=float))
    np.testing.assert_allclose(flows.alike, member.T @ equal @ member, rtol=1e-12)
    assert flows.cells.tolist() == (member * (degrees > 0)).sum(axis=0).tolist()
    several = cluster_flows(graph, graph_neg, codes, 4, scale=scale, n_threads=3)
    np.testing.assert_array_equal(several.along, flows.along)


def test_steps_of_cells_into_a_set():
    dense, codes = random_correlations(1)
    chosen = np.array([0, 4, 17, 60])
    along, against, alike = flows_into(*halves(dense), chosen, codes == 2, scale=6.0, n_threads=2)
    for found, c in ((along, dense), (against, -dense)):
        steps = transition_probabilities(*halves(c), scale=6.0).toarray().astype(np.float64)
        np.testing.assert_allclose(found, steps[chosen][:, codes == 2].sum(axis=1), atol=1e-6)
    assert along[1] == against[1] == alike[1] == 0
    there = dense[chosen] != 0
    expected = there[:, codes == 2].sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    np.testing.assert_allclose(alike, expected)


def test_steps_to_the_cell_itself_do_not_count():
    dense, codes = random_correlations(2)
    with_self = dense + np.diag(np.full(len(dense), 0.9, dtype=np.float32))
    expected = cluster_flows(*halves(dense), codes, 4)
    found = cluster_flows(*halves(with_self), codes, 4)
    np.testing.assert_array_equal(found.along, expected.along)
    np.testing.assert_array_equal(found.cells, expected.cells)


def connectivities_in_a_loop(graph, codes, n_clusters):
    """PAGA's connectivities, model v1.2, as scanpy computes them edge by edge."""
    edges, inner = np.zeros((n_clusters, n_clusters)), np.zeros(n_clusters)
    for i in range(graph.shape[0]):
        for j in graph.indices[graph.indptr[i] : graph.indptr[i + 1]]:
            a, b = codes[i], codes[j]
            if a < 0 or b < 0:
                continue
            if a == b:
                inner[a] += 1
            else:
                edges[a, b] += 1
    sizes = np.bincount(codes[codes >= 0], minlength=n_clusters)
    begin = inner + edges.sum(axis=1)
    out = np.zeros_like(edges)
    for a in range(n_clusters):
        for b in range(n_clusters):
            there = edges[a, b] + edges[b, a]
            if there:
                expected = (begin[a] * sizes[b] + begin[b] * sizes[a]) / (sizes.sum() - 1)
                out[a, b] = min(there / expected, 1)
    return out


@settings(max_examples=30, deadline=None)
@given(data=st.data(), n_cells=st.integers(2, 24))
def test_connectivities_are_those_of_paga(data, n_cells):
    graph = data.draw(graphs(n_cells))
    codes = data.draw(group_codes(n_cells)) - data.draw(st.integers(0, 1))
    found = cluster_connectivities(graph.indptr, graph.indices, codes, 4)
    expected = connectivities_in_a_loop(graph, codes, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(found, found.T)


def test_the_tree_has_the_strongest_connections():
    rng = np.random.default_rng(0)
    strength = np.triu(rng.uniform(0.1, 1, (6, 6)), 1)
    strength[0, 5] = 0
    strength += strength.T
    tree = spanning_tree(strength)
    expected = minimum_spanning_tree(
        sp.csr_matrix(np.where(strength > 0, 1 / strength.clip(0.05), 0))
    )
    assert tree.nnz == 5
    np.testing.assert_array_equal(tree.toarray() > 0, expected.toarray() > 0)
    pairs = tree.tocoo()
    np.testing.assert_array_equal(pairs.data, strength[pairs.row, pairs.col])
