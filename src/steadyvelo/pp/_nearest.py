"""Nearest neighbours of every cell in a representation."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EXACT_CELLS", "nearest_neighbors"]

# up to here all distances are computed, in blocks. On two processors 100,000 cells take 27 s so,
# and 9 s by an approximate search that compiles for 34 s in every process: they meet at 120,000
EXACT_CELLS = 100_000


def nearest_neighbors(
    representation: NDArray[np.float32], n_neighbors: int, *, rng: int = 0
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Find the nearest cells by Euclidean distance, each cell itself first.

    Parameters
    ----------
    representation
        Positions, shape (cells, dimensions).
    n_neighbors
        Cells to find, the cell itself among them.
    rng
        Seed of the approximate search.

    Returns
    -------
    Indices and distances, shape (cells, n_neighbors), nearest first.
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
    # a duplicate of a cell may have been found before the cell itself, or instead of it
    own = np.arange(n_cells)[:, None]
    distances = np.where(indices == own, -1.0, distances.astype(np.float64))
    absent = distances.min(axis=1) >= 0
    indices[absent, -1], distances[absent, -1] = own[absent, 0], -1.0
    order = np.argsort(distances, axis=1, kind="stable")
    indices = np.take_along_axis(indices, order, axis=1).astype(np.int32)
    distances = np.maximum(np.take_along_axis(distances, order, axis=1), 0.0)
    return indices, distances
