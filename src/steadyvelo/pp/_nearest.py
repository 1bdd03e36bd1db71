"""Nearest neighbours of every cell in a representation, and their graphs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo._settings import settings
from steadyvelo.engine import count_threads
from steadyvelo.engine._kernels import _neighbors as kernels
from steadyvelo.engine._kernels._near_lists import write_found
from steadyvelo.engine._threads import for_rows

from ._faiss import faiss_threads, precise_distances
from ._near_lists import NearLists

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "EXACT_CELLS",
    "comparable_rows",
    "distance_graph",
    "fuzzy_graph",
    "nearest_in_groups",
    "nearest_neighbors",
    "nearest_within",
]

# up to this number of cells all distances are computed, in blocks; the approximate search is
# faster for more cells
EXACT_CELLS = 20_000
# rows that are shorter, in units of the row before, have no direction in float32
_ROUNDING = 1e-6


def nearest_neighbors(
    representation: NDArray[np.float32],
    n_neighbors: int,
    *,
    rng: int = 0,
    recall: float = 0.985,
    most_exact: int | None = None,
    n_threads: int | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return indices and Euclidean distances of the nearest cells, shape (cells, n_neighbors).

    The first neighbour is the cell itself; it counts as one of `n_neighbors`. The representation
    has the shape (cells, dimensions). For more than `most_exact` cells (None means 20,000) the
    search is approximate, with the `recall` that is asked for in a sample of the cells.
    """
    n_cells = len(representation)
    _check_squares(representation)
    threads = count_threads(n_threads or settings.n_threads)
    if n_cells <= (EXACT_CELLS if most_exact is None else most_exact):
        distances, indices = _search_all(representation, n_neighbors, threads)
    else:
        distances, indices = _search_in_lists(representation, n_neighbors, rng, recall, threads)
    own = np.arange(n_cells)
    # if cells have the same coordinates, the search may find another cell before the cell itself or
    # instead of it
    rows = np.flatnonzero(indices[:, 0] != own)
    if len(rows):
        near, far = indices[rows], distances[rows]
        far[near == own[rows, None]] = -1.0
        absent = far.min(axis=1) >= 0
        near[absent, -1], far[absent, -1] = own[rows][absent], -1.0
        order = np.argsort(far, axis=1, kind="stable")
        indices[rows] = np.take_along_axis(near, order, axis=1)
        distances[rows] = np.take_along_axis(far, order, axis=1)
    distances[:, 0] = 0.0
    return indices.astype(np.int32, copy=False), distances


def comparable_rows(representation: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    r"""Return rows whose Euclidean distances have the order of another metric.

    Of rows that are divided by their lengths, half the squared distance is the cosine distance,
    :math:`1 - x \cdot y`. Of rows around their means it is the correlation distance. A row without
    a direction becomes zero.
    """
    if metric == "euclidean":
        return representation
    rows = representation.astype(np.float64)
    least = _ROUNDING * np.linalg.norm(rows, axis=1, keepdims=True)
    if metric == "correlation":
        rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, length, out=np.zeros_like(rows), where=length > least)
    return units.astype(np.float32)


def nearest_in_groups(
    representation: NDArray[np.float32],
    groups: NDArray[np.intp],
    n_neighbors: int,
    **search: Any,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return what :func:`nearest_neighbors` returns, for neighbours in the group of each cell.

    Every group has at least `n_neighbors` cells; `groups` and `search` are as in
    :func:`nearest_within`.
    """
    indices = np.empty((len(groups), n_neighbors), dtype=np.int32)
    distances = np.empty(indices.shape, dtype=np.float32)
    for group in np.unique(groups):
        cells = np.flatnonzero(groups == group)
        near, distances[cells] = nearest_neighbors(representation[cells], n_neighbors, **search)
        indices[cells] = cells[near]
    return indices, distances


def nearest_within(
    representation: NDArray[np.float32],
    groups: NDArray[np.intp],
    n_neighbors: int,
    **search: Any,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the nearest cells among those of the same group, as a CSR pattern.

    Each cell has `n_neighbors` neighbours without itself, the nearest first, or all other cells of
    a smaller group. `groups` has the number of each cell's group, shape (cells,); `search` are
    options of :func:`nearest_neighbors`.
    """
    found = {}
    degree = np.zeros(len(groups), dtype=np.int64)
    for group in np.unique(groups):
        cells = np.flatnonzero(groups == group)
        n = min(n_neighbors, len(cells) - 1)
        near, _ = nearest_neighbors(representation[cells], n + 1, **search)
        found[group], degree[cells] = cells[near[:, 1:]], n
    indptr = np.concatenate([[0], np.cumsum(degree)])
    indices = np.empty(indptr[-1], dtype=np.int32)
    for group, near in found.items():
        first = indptr[:-1][groups == group]
        indices[first[:, None] + np.arange(near.shape[1])] = near
    return indptr, indices


def _check_squares(x: NDArray[Any]) -> None:
    """Refuse values of which squared distances are too large for float32."""
    largest = float(np.abs(x).max(initial=0.0))
    if not 4 * x.shape[1] * largest**2 < float(np.finfo(np.float32).max):
        msg = (
            f"the representation has values up to {largest:.2g}, whose squares are too large for "
            "float32; divide all values by the same number."
        )
        raise ValueError(msg)


def _search_all(
    representation: NDArray[np.float32], n_neighbors: int, n_threads: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return distances and indices by computing all distances."""
    import faiss  # noqa: PLC0415 (slow to import)

    x = np.ascontiguousarray(representation, dtype=np.float32)
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    with faiss_threads(n_threads), precise_distances():
        squares, indices = index.search(x, int(n_neighbors))
    return np.sqrt(squares), indices


def _search_in_lists(
    representation: NDArray[np.float32], n_neighbors: int, rng: int, recall: float, n_threads: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return distances and indices from a search in lists of similar cells."""
    lists = NearLists.of(representation, rng=rng, n_threads=n_threads)
    reach = lists.reach(n_neighbors, recall, rng=rng, n_threads=n_threads)
    squares, found = lists.search(np.arange(len(lists.cells)), n_neighbors, reach, n_threads)
    distances, indices = np.empty_like(squares), np.empty_like(found)
    work = partial(write_found, lists.cells, squares, found, distances, indices)
    for_rows(work, len(found), n_threads)
    return distances, indices


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
    weights = np.zeros((n_cells, k))
    work = partial(kernels.fuzzy_weights, distances, np.log2(k), float(distances.mean()), weights)
    for_rows(work, n_cells, count_threads(settings.n_threads))
    one_way = distance_graph(indices, weights)
    other_way = one_way.T.tocsr()
    both = one_way + other_way - one_way.multiply(other_way)
    return sp.csr_matrix(both, dtype=np.float32)
