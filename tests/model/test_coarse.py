"""Searches that start from groups of cells find what the others find."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

from steadyvelo.model import CoarseSimilarities, CoarseWalk, DiffusionMap, lasting_distributions


def start(n, seed=0):
    return lambda number: np.random.default_rng([seed, number]).random(n)


def coarse_walk(step, group_of):
    """The walk between groups, by dense products."""
    member = np.eye(group_of.max() + 1)[group_of]
    weights = 1.0 + np.arange(len(group_of)) % 3
    shares = weights / (member @ (member.T @ weights))
    small = member.T @ step.toarray() @ (shares[:, None] * member)
    return CoarseWalk(group_of.astype(np.int32), shares, small)


def coarse_similarities(matrix, group_of):
    """Similarities between groups, by dense products."""
    member = np.eye(group_of.max() + 1)[group_of]
    dense = matrix.toarray()

    def sums(weights):
        return member.T @ (weights[:, None] * dense * weights) @ member

    around = aslinearoperator(matrix / matrix.sum(axis=1)[:, None])
    return CoarseSimilarities(group_of.astype(np.int32), sums, around)


def tree(n_branches, n_each, rng, back=0.2):
    """Walks from a root along branches, at whose ends they stay."""
    n = 1 + n_branches * n_each
    walk = sp.lil_array((n, n))
    for branch in range(n_branches):
        cells = 1 + branch * n_each + np.arange(n_each)
        walk[0, cells[0]] = 1.0 / n_branches
        for place, cell in enumerate(cells):
            before = 0 if place == 0 else cells[place - 1]
            for reach in (1, 2, 3):
                if place + reach < n_each:
                    walk[cell, cells[place + reach]] = rng.uniform(0.5, 1)
            walk[cell, before] = back
    walk = walk.tocsr()
    return sp.csr_array(sp.diags_array(1 / walk.sum(axis=1)) @ walk)


@pytest.mark.parametrize("n_branches", [1, 3, 20])
def test_the_ends_of_branches(n_branches):
    n_each = 30
    walk = tree(n_branches, n_each, np.random.default_rng(n_branches))
    n = walk.shape[0]
    group_of = np.append(0, 1 + np.arange(n - 1) // 6)
    turned = sp.csr_array(walk.T)
    vectors, values = lasting_distributions(
        aslinearoperator(turned), start(n), coarse=coarse_walk(turned, group_of)
    )
    # more than 16 regions are found, because their groups are
    assert vectors.shape == (n, n_branches)
    exact = np.sort(np.linalg.eigvals(walk.toarray()).real)[::-1][:n_branches]
    np.testing.assert_allclose(values, exact, atol=1e-8)
    branches = (vectors.argmax(axis=0) - 1) // n_each
    assert sorted(branches) == list(range(n_branches))
    if n_branches <= 16:
        alone, _ = lasting_distributions(aslinearoperator(turned), start(n))
        order = np.argsort(vectors.argmax(axis=0)), np.argsort(alone.argmax(axis=0))
        np.testing.assert_allclose(vectors[:, order[0]], alone[:, order[1]], atol=1e-6)


def test_regions_that_groups_hide_are_found_as_well():
    """One group has the two ends, so that the search starts from one region."""
    walk = tree(2, 30, np.random.default_rng(4))
    turned = sp.csr_array(walk.T)
    group_of = np.zeros(walk.shape[0], dtype=int)
    group_of[:20] = 1
    vectors, _ = lasting_distributions(
        aslinearoperator(turned), start(walk.shape[0]), coarse=coarse_walk(turned, group_of)
    )
    assert vectors.shape[1] == 2


@pytest.mark.parametrize("n_groups", [6, 40])
@pytest.mark.parametrize("n_components", [4, 10])
def test_the_diffusion_map_is_the_same(n_components, n_groups):
    rng = np.random.default_rng(5)
    places = np.sort(rng.random(400))
    near = np.exp(-(((places[:, None] - places) / 0.03) ** 2)) * rng.uniform(0.5, 1, (400, 400))
    matrix = sp.csr_array(np.where(near > 1e-3, near, 0))
    matrix = sp.csr_array(matrix + matrix.T)
    group_of = (np.arange(400) * n_groups) // 400
    one = DiffusionMap.of(aslinearoperator(matrix), start(400), n_components=n_components)
    other = DiffusionMap.of(
        aslinearoperator(matrix),
        start(400),
        n_components=n_components,
        coarse=coarse_similarities(matrix, group_of),
    )
    np.testing.assert_allclose(other.eigenvalues, one.eigenvalues, atol=1e-9)
    largest = one.distances(0).max()
    np.testing.assert_allclose(other.distances(0), one.distances(0), atol=1e-6 * largest)


def test_a_map_that_is_not_found_is_given_up(monkeypatch):
    monkeypatch.setattr("steadyvelo.model._leading._MOST_PRODUCTS", 1)
    rng = np.random.default_rng(6)
    matrix = sp.csr_array(np.eye(300) + np.eye(300, k=1) + np.eye(300, k=-1))
    groups = coarse_similarities(matrix, rng.integers(0, 20, 300))
    with pytest.raises(RuntimeError, match=r"not found by 1 products.*larger n_neighbors="):
        DiffusionMap.of(aslinearoperator(matrix), start(300), coarse=groups)
