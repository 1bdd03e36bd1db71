"""Weights of neighbour graphs: UMAP's fuzzy simplicial set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["distance_graph", "fuzzy_graph"]

_BISECTIONS = 64
# σ is at least this share of a mean distance, so that no weight collapses
_LEAST_WIDTH = 1e-3


def distance_graph(
    indices: NDArray[np.int32], distances: NDArray[np.float64]
) -> sp.csr_matrix[Any]:
    """Return distances to neighbours as cells × cells, zeros between duplicates stored.

    Parameters
    ----------
    indices, distances
        Neighbours, nearest first, each cell itself in the first column.
    """
    n_cells, k = indices.shape
    graph = sp.csr_matrix(
        (distances[:, 1:].ravel(), indices[:, 1:].ravel(), np.arange(n_cells + 1) * (k - 1)),
        shape=(n_cells, n_cells),
    )
    graph.sort_indices()
    return graph


def fuzzy_graph(indices: NDArray[np.int32], distances: NDArray[np.float64]) -> sp.csr_matrix[Any]:
    r"""Return symmetric weights of neighbours, cells × cells, float32.

    .. math::
        a_{ij} = e^{-\max(0,\, d_{ij} - \rho_i) / \sigma_i}, \qquad
        w_{ij} = a_{ij} + a_{ji} - a_{ij} a_{ji}

    :math:`\rho_i` is the distance to the nearest cell that is not a duplicate, and
    :math:`\sigma_i` solves :math:`\sum_j a_{ij} = \log_2 k`.

    Parameters
    ----------
    indices, distances
        Neighbours, nearest first, each cell itself in the first column, shape (cells, k).

    References
    ----------
    McInnes, Healy and Melville (2018), https://arxiv.org/abs/1802.03426, section 3.1.
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
    # all cells in one point leave no width at all, and beyond is 0 there
    weights = np.exp(-beyond / np.where(width > 0, width, 1.0))
    one_way = distance_graph(indices, np.hstack([np.zeros((n_cells, 1)), weights]))
    other_way = one_way.T.tocsr()
    both = one_way + other_way - one_way.multiply(other_way)
    return sp.csr_matrix(both, dtype=np.float32)
