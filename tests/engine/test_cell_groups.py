"""Groups of neighbouring cells, and sums between them beside dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steadyvelo.engine import CellGroups, steps_against, steps_along, transposed_sum


def along_a_line(n, reach=3):
    """Neighbours of cells along a line, and an isolated cell at the end."""
    near = sp.diags_array(
        [np.ones(n - abs(k)) for k in range(-reach, reach + 1)], offsets=range(-reach, reach + 1)
    ).tocsr()
    return sp.csr_array(sp.block_diag([near, sp.csr_array((1, 1))], format="csr"))


def test_groups_are_made_of_neighbours():
    neighbors = along_a_line(200)
    groups = CellGroups.along(neighbors, np.random.default_rng(0).permutation(201))
    assert set(groups.group_of) == set(range(groups.n_groups))
    assert np.bincount(groups.group_of).max() <= 13
    for group in range(groups.n_groups):
        cells = np.flatnonzero(groups.group_of == group)
        assert np.diff(cells).max(initial=0) <= 6
    assert (groups.group_of == groups.group_of[200]).sum() == 1


@pytest.mark.parametrize("most", [1_000, 8])
def test_groups_depend_on_the_order_given_not_on_that_of_the_rows(most):
    neighbors = along_a_line(120)
    rng = np.random.default_rng(1)
    rank, turned = rng.permutation(121), rng.permutation(121)
    one = CellGroups.along(neighbors, np.argsort(rank), most)
    other = CellGroups.along(neighbors[turned][:, turned], np.argsort(rank[turned]), most)
    np.testing.assert_array_equal(other.group_of, one.group_of[turned])


def test_many_groups_are_joined_with_those_beside_them():
    neighbors = along_a_line(400)
    few = CellGroups.along(neighbors, np.arange(401), 10)
    assert few.n_groups <= 10
    ends = [np.flatnonzero(few.group_of[:400] == group) for group in set(few.group_of[:400])]
    # each is one piece of the line
    assert all(np.ptp(cells) == len(cells) - 1 for cells in ends)


def test_groups_that_nothing_connects_are_left():
    assert CellGroups.along(sp.csr_array((9, 9)), np.arange(9), 4).n_groups == 9


def test_sums_between_groups():
    rng = np.random.default_rng(2)
    dense = rng.normal(size=(90, 90)) * (rng.random((90, 90)) < 0.2)
    rows, columns, group_of = rng.random(90), rng.random(90), rng.integers(0, 7, 90)
    groups = CellGroups(group_of.astype(np.int32), 7)
    member = np.eye(7)[group_of]
    exact = member.T @ (rows[:, None] * dense * columns) @ member
    for n_threads in (1, 3):
        found = groups.sums(sp.csr_matrix(dense), rows, columns, n_threads)
        np.testing.assert_allclose(found, exact, atol=1e-12)


@pytest.mark.parametrize("backward", [True, False])
def test_steps_between_groups_leave_from_shares_of_the_cells_of_a_group(backward):
    rng = np.random.default_rng(3)
    dense = (rng.uniform(-1, 1, (60, 60)) * (rng.random((60, 60)) < 0.2)).astype(np.float32)
    graphs = sp.csr_matrix(np.maximum(dense, 0)), sp.csr_matrix(np.minimum(dense, 0))
    step = steps_against(*graphs, 5.0, 2) if backward else steps_along(transposed_sum(*graphs), 5.0)
    group_of = rng.integers(0, 5, 60).astype(np.int32)
    groups, weights = CellGroups(group_of, 5), rng.uniform(0.5, 1, 60)
    shares, member = groups.shares(weights), np.eye(5)[group_of]
    np.testing.assert_allclose(shares, weights / (member @ (member.T @ weights)), atol=1e-15)
    exact = member.T @ (step @ np.eye(60)) @ (shares[:, None] * member)
    np.testing.assert_allclose(step.between(groups, shares), exact, atol=1e-12)
