"""The search in lists of similar cells, against all distances."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from steadyvelo.pp._near_lists import NearLists

K = 20


def cells(rng=0, n=6_000):
    """Clusters of different density, and cells between them."""
    draws = np.random.default_rng(rng)
    centres = draws.normal(0, 6, (8, 12))
    own = centres[draws.integers(0, 8, n)] + draws.normal(0, 1, (n, 12)) * draws.choice(
        [0.3, 1.0, 3.0], (n, 1)
    )
    return own.astype(np.float32)


def exact(x):
    return NearestNeighbors(n_neighbors=K, algorithm="brute").fit(x).kneighbors(x)


def found_by(lists, reach, n_threads=2):
    squares, places = lists.search(np.arange(len(lists.cells)), K, reach, n_threads)
    distances, indices = np.empty_like(squares), np.empty_like(places)
    distances[lists.cells], indices[lists.cells] = np.sqrt(squares), lists.cells[places]
    return distances, indices


def recall(distances, true):
    # by distance, because several cells may be equally far
    return (distances <= true[:, -1:] * (1 + 1e-5)).mean()


def test_all_lists_have_the_exact_neighbours():
    x = cells()
    distances, indices = found_by(NearLists.of(x, rng=0, n_threads=2), np.inf)
    true, nearest = exact(x)
    np.testing.assert_allclose(distances, true, rtol=1e-3, atol=1e-3)
    assert (indices == nearest).mean() > 0.999
    assert (np.diff(distances, axis=1) >= 0).all()
    np.testing.assert_array_equal(indices[:, 0], np.arange(len(x)))


@pytest.mark.parametrize("asked", [0.9, 0.99])
def test_the_recall_in_a_sample_holds_for_the_rest(asked):
    x = cells(1)
    lists = NearLists.of(x, rng=0, n_threads=2)
    reach = lists.reach(K, asked, rng=0, n_threads=2)
    true, _ = exact(x)
    assert recall(found_by(lists, reach)[0], true) > asked - 0.02
    # only the lists whose centres are nearest of all miss many
    assert recall(found_by(lists, 0.3)[0], true) < 0.85


def test_threads_change_nothing_and_seeds_little():
    x = cells(2)
    one, two = (found_by(NearLists.of(x, rng=0, n_threads=n), 1.2, n) for n in (1, 2))
    np.testing.assert_array_equal(one[1], two[1])
    np.testing.assert_array_equal(one[0], two[0])
    other = found_by(NearLists.of(x, rng=1, n_threads=2), np.inf)
    np.testing.assert_allclose(
        other[0], found_by(NearLists.of(x, rng=0, n_threads=2), np.inf)[0], rtol=1e-3, atol=1e-3
    )


def test_copies_of_a_cell_are_its_neighbours():
    x = np.repeat(cells(3, 300), 30, axis=0)
    distances, indices = found_by(NearLists.of(x, rng=0, n_threads=2), 1.0)
    assert (distances == 0).all()
    assert (indices // 30 == (np.arange(len(x)) // 30)[:, None]).all()
