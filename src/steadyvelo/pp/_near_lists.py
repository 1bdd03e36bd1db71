"""Approximate search for nearest cells, in lists of similar cells.

Cells are divided into lists by k-means. A list is searched for a cell if its centre is near,
compared with the farthest of the neighbours that are found so far; so cells in dense regions and
cells between clusters are each compared with as many others as they need. The cells of a list are
searched for together, because they need almost the same lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steadyvelo.engine._kernels import _near_lists as kernels
from steadyvelo.engine._threads import for_rows, in_threads, row_chunks

from ._faiss import faiss_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array, IntArray

__all__ = ["NearLists", "divided"]

# average number of cells in a list, for every root of the number of cells, and at least
_CELLS_OF_ROOT, _LEAST_CELLS = 0.25, 64
# the columns of a list are a multiple of this number, which processors add at once
_COLUMNS = 16
# k-means: iterations, and the largest number of cells of a centre from which it is computed
_ITERATIONS = 4
_CELLS_OF_A_CENTRE = 32
# cells whose neighbours are found among all cells, to measure the recall, in so many groups
_SAMPLE, _GROUPS = 200, 8
# how far to search: the first number that is tried, the factor between tries, and the number after
# which all lists are searched
_FIRST_REACH, _STEP, _LAST_REACH = 1.0, 1.05, 10.0


@dataclass(frozen=True, eq=False)
class NearLists:
    """Cells in lists around centres.

    Attributes
    ----------
    cells
        Cells in the order of their lists, shape (cells,).
    first
        Place of the first cell of every list in this order, and the number of cells at the end.
    rows
        Coordinates in this order, (cells, dimensions).
    centres
        Means of the lists, (dimensions, lists).
    columns, first_column
        Coordinates of every list, (dimensions, cells), one list after another, and where each
        begins.
    """

    cells: IntArray
    first: IntArray
    rows: Float32Array
    centres: Float32Array
    columns: Float32Array
    first_column: IntArray

    @classmethod
    def of(cls, representation: NDArray[np.float32], *, rng: int, n_threads: int) -> Self:
        """Divide cells into lists by k-means."""
        n_cells, n_dims = representation.shape
        size = max(_LEAST_CELLS, _CELLS_OF_ROOT * np.sqrt(n_cells))
        lists = divided(representation, size, rng % 2**31, n_threads)
        cells = np.argsort(lists, kind="stable")
        sizes = np.unique(lists, return_counts=True)[1]
        first = np.concatenate([[0], np.cumsum(sizes)])
        n_padded = -(-n_dims // kernels.DIMENSIONS) * kernels.DIMENSIONS
        rows = np.zeros((n_cells, n_padded), dtype=np.float32)
        rows[:, :n_dims] = representation[cells]
        means = np.add.reduceat(rows, first[:-1], axis=0, dtype=np.float64) / sizes[:, None]
        first_column = np.concatenate([[0], np.cumsum(-(-sizes // _COLUMNS) * _COLUMNS)])
        columns = np.full(first_column[-1] * n_padded, np.inf, dtype=np.float32)
        kernels.turn_lists(rows, first, first_column, columns)
        centres = np.ascontiguousarray(means.T, dtype=np.float32)
        return cls(cells, first, rows, centres, columns, first_column)

    def search(
        self, queries: IntArray, n_neighbors: int, reach: float, n_threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return squared distances and places of the nearest cells, (queries, n_neighbors).

        Queries are given by their places in the order of the lists, sorted. A list is searched if
        the squared distance of its centre is at most `reach` times that of the farthest of the
        neighbours so far.
        """
        groups = np.searchsorted(queries, self.first)
        return self._search(queries, groups, n_neighbors, reach, n_threads)

    def search_all(
        self, queries: IntArray, n_neighbors: int, n_threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return what `search` returns, but search all lists."""
        # the order of the lists does not matter, so that queries of any lists are compared with
        # a list together while it is in the cache
        n_groups = min(_GROUPS, len(self.first) - 1)
        groups = np.linspace(0, len(queries), n_groups + 1).astype(np.intp)
        return self._search(queries, groups, n_neighbors, np.inf, n_threads)

    def _search(
        self, queries: IntArray, groups: IntArray, n_neighbors: int, reach: float, n_threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        near = np.full((len(queries), n_neighbors), np.inf, dtype=np.float32)
        found = np.full(near.shape, -1, dtype=np.int32)
        lists = self.first, self.columns, self.first_column, self.centres
        work = partial(
            kernels.search_lists,
            self.rows,
            *lists,
            queries,
            groups,
            np.float32(reach),
            near,
            found,
        )
        for_rows(work, len(groups) - 1, n_threads, min_rows=1)
        return near, found

    def reach(self, n_neighbors: int, recall: float, *, rng: int, n_threads: int) -> float:
        """Return how far to search for the `recall` that is asked for, in a sample of the cells."""
        n_cells = len(self.cells)
        draws = np.random.default_rng(rng)
        sample = np.sort(draws.choice(n_cells, min(_SAMPLE, n_cells), replace=False))
        true, _ = self.search_all(sample, n_neighbors, n_threads)
        reach = _FIRST_REACH
        while reach < _LAST_REACH:
            near, _ = self.search(sample, n_neighbors, reach, n_threads)
            # the cell itself is always found
            if (near[:, 1:] <= true[:, -1:]).mean() >= recall:
                return reach
            reach *= _STEP
        return np.inf


def divided(x: NDArray[np.float32], size: float, seed: int, n_threads: int) -> IntArray:
    """Divide cells into lists of about `size` similar cells, and return the list of every cell.

    Cells are first divided into few long lists, and then each of these: k-means into all lists at
    once would compare every cell with every centre. The result depends on the order of the cells.
    """
    n_long = max(1, round(np.sqrt(len(x) / size)))
    centres = _centres(x, n_long, seed, 8 * _CELLS_OF_A_CENTRE)
    # the same parts for any number of threads
    parts = [partial(_nearest_centre, centres, x[a:b]) for a, b in row_chunks(len(x), 1)]
    long = np.concatenate(in_threads(parts, n_threads))
    order = np.argsort(long, kind="stable")
    ends = np.cumsum(np.bincount(long, minlength=n_long))
    members = [cells for cells in np.split(order, ends[:-1]) if len(cells)]

    def divide(cells: IntArray) -> IntArray:
        own = x[cells]
        n = max(1, round(len(own) / size))
        return _nearest_centre(_centres(own, n, seed, _CELLS_OF_A_CENTRE), own)

    divided = in_threads([partial(divide, cells) for cells in members], n_threads)
    lists, n_before = np.empty(len(x), dtype=np.intp), 0
    for cells, part in zip(members, divided, strict=True):
        lists[cells] = n_before + part
        n_before += int(part.max()) + 1
    return lists


def _centres(x: NDArray[np.float32], n: int, seed: int, n_most: int) -> Any:
    """Return an index of n centres, computed from at most n × `n_most` cells."""
    import faiss  # noqa: PLC0415 (slow to import)

    # several threads call it
    with faiss_threads(1):
        means = faiss.Kmeans(
            x.shape[1],
            n,
            niter=_ITERATIONS,
            seed=seed,
            min_points_per_centroid=1,
            max_points_per_centroid=n_most,
        )
        means.train(np.ascontiguousarray(x))
    return means.index


def _nearest_centre(centres: Any, x: NDArray[np.float32]) -> IntArray:
    """Return the nearest centre of every cell."""
    with faiss_threads(1):
        return centres.search(np.ascontiguousarray(x), 1)[1][:, 0]
