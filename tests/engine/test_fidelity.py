"""The correlation of weights of edges with cosines to an arrow, against numpy."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.engine import edge_fidelity
from tests.strategies import graphs, velocities


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    n=st.integers(1, 20),
    dimensions=st.integers(1, 3),
    threads=st.integers(1, 3),
)
def test_fidelity_is_the_correlation_of_weights_and_cosines(data, n, dimensions, threads):
    graph = data.draw(graphs(n, values=st.sampled_from([-0.5, -0.125, 0.0, 0.25, 1.0])))
    points = data.draw(velocities((n, dimensions)))
    arrows = data.draw(velocities((n, dimensions)))
    signs = sp.csr_matrix(graph.maximum(0)), sp.csr_matrix(graph.minimum(0))
    found, n_edges = edge_fidelity(*signs, points, arrows, threads)
    weights = graph.toarray()
    for i in range(n):
        step, own = points - points[i], np.linalg.norm(arrows[i])
        length = np.linalg.norm(step, axis=1)
        ends = (weights[i] != 0) & (length > 0) & (own > 0)
        assert n_edges[i] == ends.sum()
        c = weights[i, ends]
        if len(c) < 3 or len(set(c)) == 1:
            assert np.isnan(found[i])
            continue
        a = step[ends] @ arrows[i] / length[ends] / own
        # cosines that are equal up to rounding have no correlation
        if a.std() > 1e-4:
            np.testing.assert_allclose(found[i], np.corrcoef(c, a)[0, 1], atol=1e-6)


def test_a_cell_without_an_arrow_has_no_fidelity():
    rng = np.random.default_rng(0)
    graph = sp.csr_matrix(rng.random((5, 5)))
    points, arrows = rng.normal(size=(2, 5, 2))
    arrows[1], arrows[2] = np.nan, 0
    found, n_edges = edge_fidelity(graph, sp.csr_matrix((5, 5)), points, arrows)
    # the diagonal is no edge
    assert n_edges.tolist() == [4, 0, 0, 4, 4]
    np.testing.assert_array_equal(np.isnan(found), [False, True, True, False, False])


def test_cosines_that_are_equal_have_no_fidelity():
    graph = sp.csr_matrix([[0.0, 0.1, 0.2, 0.3], *np.zeros((3, 4))])
    points = np.array([[0.0, 0.0], [1.0, 0.1], [3.0, 0.3], [7.0, 0.7]])
    found, _ = edge_fidelity(graph, sp.csr_matrix((4, 4)), points, np.ones((4, 2)))
    assert np.isnan(found[0])
