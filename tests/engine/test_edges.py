"""Connected parts, beside scipy's search on the whole graph."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from steadyvelo.engine import connected_parts, recursive_neighbors


def same_parts(one, other):
    """Tell whether two numberings are of the same parts."""
    pairs = np.unique(np.stack([one, other]), axis=1).shape[1]
    return pairs == len(np.unique(one)) == len(np.unique(other))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("density", [0.0005, 0.001, 0.002, 0.01])
def test_parts_are_those_of_the_whole_graph(seed, density):
    rng = np.random.default_rng(seed)
    graph = sp.random(1500, 1500, density=density, format="csr", rng=rng)
    exact = connected_components(graph, directed=False)[1]
    assert same_parts(connected_parts(sp.csr_matrix(graph)), exact)


def test_parts_joined_by_the_last_edge_of_a_cell_are_one():
    # three cliques, whose cells' first edges stay inside
    clique = sp.csr_matrix(np.ones((30, 30)) - np.eye(30))
    apart = sp.lil_matrix(sp.block_diag([clique, clique, clique]))
    assert len(np.unique(connected_parts(sp.csr_matrix(apart)))) == 3
    apart[3, 45] = 1.0
    parts = connected_parts(sp.csr_matrix(apart))
    assert len(np.unique(parts)) == 2
    assert same_parts(parts, np.repeat([0, 1], (60, 30)))


def test_cells_without_edges_are_parts_of_their_own():
    assert sorted(connected_parts(sp.csr_matrix((4, 4)))) == [0, 1, 2, 3]


@pytest.mark.parametrize("n_steps", [9, 10**12, 10**30])
def test_steps_end_where_nothing_new_is_reached(n_steps):
    chain = sp.csr_matrix(np.diag(np.ones(9), 1))
    indptr, indices = recursive_neighbors(
        chain.indptr.astype(np.int64), chain.indices, n_steps=n_steps
    )
    np.testing.assert_array_equal(np.diff(indptr), np.arange(9, -1, -1))
    np.testing.assert_array_equal(indices[:9], np.arange(1, 10))
