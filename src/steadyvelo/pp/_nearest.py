"""Nearest neighbours of every cell in a representation, and their graphs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EXACT_CELLS", "distance_graph", "fuzzy_graph", "nearest_neighbors"]

# up to this number of cells all distances are computed, in blocks. On two processors 100,000 cells
# take 27 s. An approximate search takes 9 s and compiles for 34 s in every process, so it is faster
# from 120,000 cells on
EXACT_CELLS = 100_000
_BISECTIONS = 64
# σ is at least this share of a mean distance, so that no weight underflows
_LEAST_WIDTH = 1e-3


def nearest_neighbors(
    representation: NDArray[np.float32], n_neighbors: int, *, rng: int = 0
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return indices and Euclidean distances of the nearest cells, shape (cells, n_neighbors).

    The first neighbour is the cell itself; it counts as one of `n_neighbors`. The representation
    has the shape (cells, dimensions). The seed is used by the approximate search.
    """
    n_cells = len(representation)
    if n_cells <= EXACT_CELLS:
        search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(representation)
        distances, indices = search.kneighbors(representation)
    else:
        from pynndescent import NNDescent  # noqa: PLC0415 (compiles for seconds when imported)

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Failed to correctly find n_neighbors")
            found = NNDescent(representation, n_neighbors=n_neighbors, random_state=rng)
            indices, distances = found.neighbor_graph
    # if cells have the same coordinates, the search may find another cell before the cell itself or
    # instead of it
    own = np.arange(n_cells)[:, None]
    distances = np.where(indices == own, -1.0, distances.astype(np.float64))
    absent = distances.min(axis=1) >= 0
    indices[absent, -1], distances[absent, -1] = own[absent, 0], -1.0
    order = np.argsort(distances, axis=1, kind="stable")
    indices = np.take_along_axis(indices, order, axis=1).astype(np.int32)
    distances = np.maximum(np.take_along_axis(distances, order, axis=1), 0.0)
    return indices, distances


def distance_graph(
    indices: NDArray[np.int32], distances: NDArray[np.float64]
) -> sp.csr_matrix[Any]:
    """Return a cells × cells graph of distances; zero distances between copies are stored."""
    n_cells, k = indices.shape
    graph = sp.csr_matrix(
        (distances[:, 1:].ravel(), indices[:, 1:].ravel(), np.arange(n_cells + 1) * (k - 1)),
        shape=(n_cells, n_cells),
    )
    graph.sort_indices()
    return graph


def fuzzy_graph(indices: NDArray[np.int32], distances: NDArray[np.float64]) -> sp.csr_matrix[Any]:
    r"""Return symmetric weights of the nearest neighbours, cells × cells, float32.

    These are UMAP's fuzzy simplicial set,

    .. math::
        a_{ij} = e^{-\max(0,\, d_{ij} - \rho_i) / \sigma_i}, \qquad
        w_{ij} = a_{ij} + a_{ji} - a_{ij} a_{ji}

    where :math:`\rho_i` is the distance to the nearest cell with other coordinates, and
    :math:`\sigma_i` solves :math:`\sum_j a_{ij} = \log_2 k` (McInnes, Healy and Melville 2018,
    https://arxiv.org/abs/1802.03426, section 3.1).
    """
    n_cells, k = indices.shape
    others = distances[:, 1:]
    positive = np.where(others > 0, others, np.inf).min(axis=1)
    rho = np.where(np.isfinite(positive), positive, 0.0)[:, None]
    beyond = np.maximum(others - rho, 0.0)
    low, high = np.zeros((n_cells, 1)), np.full((n_cells, 1), np.inf)
    width = np.ones((n_cells, 1))
    for _ in range(_BISECTIONS):
        total = np.exp(-beyond / width).sum(axis=1, keepdims=True)
        wide = total > np.log2(k)
        low, high = np.where(wide, low, width), np.where(wide, width, high)
        width = np.where(np.isinf(high), 2 * width, 0.5 * (low + high))
    mean = np.where(rho > 0, distances.mean(axis=1, keepdims=True), distances.mean())
    width = np.maximum(width, _LEAST_WIDTH * mean)
    # the width is 0 if all cells have the same coordinates; `beyond` is then 0, too
    weights = np.exp(-beyond / np.where(width > 0, width, 1.0))
    one_way = distance_graph(indices, np.hstack([np.zeros((n_cells, 1)), weights]))
    other_way = one_way.T.tocsr()
    both = one_way + other_way - one_way.multiply(other_way)
    return sp.csr_matrix(both, dtype=np.float32)
