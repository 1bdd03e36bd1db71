"""Where walks linger and how far cells are, on chains whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

from steadyvelo.model import DiffusionMap, lasting_distributions, share_of_largest


def start(n, seed=0):
    return lambda number: np.random.default_rng([seed, number]).random(n)


def random_walk(rng, n):
    rows = rng.random((n, n)) * (rng.random((n, n)) < 0.3) + np.eye(n) * 0.1
    return rows / rows.sum(axis=1, keepdims=True)


def test_the_lasting_distribution_is_stationary():
    walk = random_walk(np.random.default_rng(0), 40)
    vectors, values = lasting_distributions(aslinearoperator(walk.T), start(walk.shape[0]))
    assert vectors.shape == (40, 1)
    np.testing.assert_allclose(values, 1.0)
    stationary = np.linalg.matrix_power(walk, 500)[0]
    np.testing.assert_allclose(vectors[:, 0] / vectors.sum(), stationary, atol=1e-10)


def test_walks_that_end_leave_the_distribution_of_those_under_way():
    walk = random_walk(np.random.default_rng(1), 40)
    walk[7] = 0
    vectors, values = lasting_distributions(aslinearoperator(walk.T), start(walk.shape[0]))
    assert values[0] < 1
    under_way = np.full(40, 1 / 40)
    for _ in range(500):
        under_way = under_way @ walk
        under_way /= under_way.sum()
    np.testing.assert_allclose(vectors[:, 0] / vectors[:, 0].sum(), under_way, atol=1e-10)


def test_every_part_that_walks_do_not_leave_is_a_region():
    rng = np.random.default_rng(2)
    walk = np.zeros((60, 60))
    walk[:30, :30], walk[30:, 30:] = random_walk(rng, 30), random_walk(rng, 30)
    vectors, values = lasting_distributions(aslinearoperator(walk.T), start(walk.shape[0]))
    assert vectors.shape == (60, 2)
    np.testing.assert_allclose(values, 1.0)
    again, _ = lasting_distributions(aslinearoperator(walk.T), start(walk.shape[0]))
    np.testing.assert_array_equal(vectors, again)


@pytest.mark.parametrize("n_parts", [1, 2, 3, 5, 9, 16, 20])
def test_all_regions_are_found_up_to_16(n_parts):
    rng = np.random.default_rng(n_parts)
    walk = sp.block_diag([random_walk(rng, 12) for _ in range(n_parts)], format="csr")
    vectors, values = lasting_distributions(aslinearoperator(walk.T), start(walk.shape[0]))
    n_found = min(n_parts, 16)
    assert vectors.shape == (walk.shape[0], n_found)
    np.testing.assert_allclose(values, np.ones(n_found), atol=1e-9)
    if n_parts <= 16:
        mass = vectors.reshape(n_parts, 12, n_found).sum(axis=1) > 1e-6
        assert mass.sum(axis=0).tolist() == mass.sum(axis=1).tolist() == [1] * n_parts


def test_walks_that_end_at_once_have_no_region():
    star = sp.csr_matrix(np.append(0.0, np.full(99, 1 / 99)) * (np.arange(100) == 0)[:, None])
    vectors, values = lasting_distributions(aslinearoperator(star.T), start(100))
    assert vectors.shape == (100, 0)
    assert values.shape == (0,)


def test_a_search_that_does_not_end_is_given_up(monkeypatch):
    monkeypatch.setattr("steadyvelo.model._krylov._MOST_MULTIPLIED", 500)
    cycle = sp.csr_matrix(np.roll(np.eye(300), 1, axis=0))
    with pytest.raises(RuntimeError, match=r"not found by 500 products.*larger n_neighbors="):
        lasting_distributions(aslinearoperator(cycle), start(300))


def test_shares_end_at_a_percentile_or_at_the_largest():
    values = np.append(np.linspace(0, 1, 100), 50.0)
    shares = share_of_largest(values)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares[50] == pytest.approx(values[50] / np.percentile(values, 98))
    # fewer cells than the percentile leaves
    rare = np.zeros(100)
    rare[3] = 2.0
    np.testing.assert_array_equal(share_of_largest(rare), rare / 2)
    np.testing.assert_array_equal(share_of_largest(np.ones(5)), np.zeros(5))


def test_shares_of_few_cells_do_not_depend_on_the_others():
    """With 1.5 % of the cells in a region, the percentile is one of the rounding errors outside."""
    rng = np.random.default_rng(2)
    inside = np.arange(2000) < 30
    values = np.where(inside, rng.uniform(1, 2, 2000), rng.uniform(0, 1e-9, 2000))
    shares = share_of_largest(values)
    # 30 cells have almost all of the sum, and half of them at least the median
    np.testing.assert_allclose(
        shares[inside], np.minimum(values[inside] / np.median(values[inside]), 1), 0.1
    )
    assert shares[~inside].max() < 1e-8
    np.testing.assert_allclose(share_of_largest(values[:, None])[:, 0], shares)


def test_diffusion_distances_from_dense_eigenvectors():
    rng = np.random.default_rng(3)
    weights = rng.random((50, 50)) * (rng.random((50, 50)) < 0.4)
    weights += weights.T
    kernel = weights / np.outer(weights.sum(axis=0), weights.sum(axis=0))
    root = np.sqrt(kernel.sum(axis=0))
    values, vectors = np.linalg.eigh(kernel / np.outer(root, root))
    largest = np.argsort(-values)[:6]
    values, vectors = values[largest], vectors[:, largest]
    moving = values < 0.9994
    factor = np.ones_like(values)
    factor[moving] = values[moving] / (1 - values[moving])
    steps = factor * (vectors - vectors[11])
    diffusion = DiffusionMap.of(aslinearoperator(weights), start(50), n_components=6)
    np.testing.assert_allclose(
        diffusion.distances(11), np.sqrt((steps**2).sum(axis=1)), rtol=1e-6, atol=1e-10
    )
    np.testing.assert_allclose(diffusion.eigenvalues[0], 1.0)
    # of several cells, the nearest counts
    several = diffusion.distances(np.array([11, 3, 40]))
    alone = np.min([diffusion.distances(cell) for cell in (11, 3, 40)], axis=0)
    np.testing.assert_allclose(several, alone, rtol=1e-9, atol=1e-12)


def test_distances_along_a_chain_grow():
    n = 40
    chain = sp.csr_matrix(sp.diags_array([np.ones(n - 1)], offsets=[1]) + sp.eye_array(n) / 2)
    diffusion = DiffusionMap.of(aslinearoperator(chain + chain.T), start(n), n_components=5)
    # but for the two ends, whose cells have one neighbour
    assert (np.diff(diffusion.distances(0)[1 : n - 1]) > 0).all()


def test_a_step_to_the_neighbourhood_brings_walks_out_of_small_sets():
    """A line of cells that a walk follows to its end, and pairs on the way that it never leaves."""
    n = 200
    walk = 0.9 * np.eye(n, k=1) + 0.1 * np.eye(n)
    walk[-1] = 0.0
    walk[-1, -1] = 1.0
    for first in (30, 70, 110):
        walk[[first, first + 1]] = 0.0
        walk[first, first + 1] = walk[first + 1, first] = 1.0
    distance = abs(np.subtract.outer(np.arange(n), np.arange(n)))
    around = (distance <= 8).astype(float)
    around /= around.sum(axis=1, keepdims=True)
    walk, around = sp.csr_matrix(walk), sp.csr_array(around)
    _, values = lasting_distributions(aslinearoperator(walk.T), start(walk.shape[0]))
    assert (values > 1 - 1e-9).sum() > 1
    together, values = lasting_distributions(aslinearoperator(around.T @ walk.T), start(n))
    assert values.round(6).tolist() == [1.0]
    share = together[:, 0] / together.sum()
    assert share[-60:].sum() > 0.9
    # the same as the eigenvector of the product itself
    dense, vectors = np.linalg.eig((walk.toarray() @ around.toarray()).T)
    exact = abs(vectors[:, np.argmax(dense.real)].real)
    np.testing.assert_allclose(share, exact / exact.sum(), atol=1e-6)


def test_regions_of_equal_eigenvalues_do_not_depend_on_the_start():
    rng = np.random.default_rng(5)
    walk = np.zeros((90, 90))
    for part in (slice(0, 30), slice(30, 60), slice(60, 90)):
        walk[part, part] = random_walk(rng, 30)
    first, second = (
        lasting_distributions(aslinearoperator(walk.T), start(90, seed))[0] for seed in (1, 2)
    )
    order = [np.argmax(vector) // 30 for vector in first.T], [np.argmax(v) // 30 for v in second.T]
    assert sorted(order[0]) == sorted(order[1]) == [0, 1, 2]
    first, second = (x[:, np.argsort(o)] for x, o in zip((first, second), order, strict=True))
    np.testing.assert_allclose(first, second, atol=1e-7)
    # each is the stationary distribution of its own part
    for number, part in enumerate(np.split(first, 3)):
        assert np.flatnonzero(part.sum(axis=0) > 1e-6).tolist() == [number]
