"""Search for nearest cells in lists of similar cells, beginning with the nearest list."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel, reordering_kernel

# dimensions that are added in one pass over the cells of a list; rows have a multiple of them
DIMENSIONS = 5
# lists whose distances from a cell are computed together; if none of them is near enough, the
# search for the cell ends
_LISTS_AT_ONCE = 32
# lists that are sorted at first, and four times as many whenever they do not suffice: sorting all
# of them takes longer than the search
_FIRST_SORTED = 64


@reordering_kernel
def _squares(columns: Array, row: Array, n: int, out: Array) -> None:
    """Write the squared distances of a row from the first n columns of (dimensions, cells)."""
    for c in range(n):
        out[c] = 0.0
    for j in range(0, len(row), 5):
        v, w, x, y, z = row[j], row[j + 1], row[j + 2], row[j + 3], row[j + 4]
        for c in range(n):
            out[c] += (
                (columns[j, c] - v) ** 2
                + (columns[j + 1, c] - w) ** 2
                + (columns[j + 2, c] - x) ** 2
                + (columns[j + 3, c] - y) ** 2
                + (columns[j + 4, c] - z) ** 2
            )


@reordering_kernel
def _squares_of_two(
    columns: Array, first: Array, second: Array, n: int, out: Array, other: Array
) -> None:
    """Do the same for two rows: columns are read once, which takes as long as adding squares."""
    for c in range(n):
        out[c] = 0.0
        other[c] = 0.0
    for j in range(0, len(first), 5):
        v, w, x, y, z = first[j], first[j + 1], first[j + 2], first[j + 3], first[j + 4]
        p, q, r, s, t = second[j], second[j + 1], second[j + 2], second[j + 3], second[j + 4]
        for c in range(n):
            a, b, d = columns[j, c], columns[j + 1, c], columns[j + 2, c]
            e, f = columns[j + 3, c], columns[j + 4, c]
            out[c] += (a - v) ** 2 + (b - w) ** 2 + (d - x) ** 2 + (e - y) ** 2 + (f - z) ** 2
            other[c] += (a - p) ** 2 + (b - q) ** 2 + (d - r) ** 2 + (e - s) ** 2 + (f - t) ** 2


@reordering_kernel
def _replace_first(near: Array, found: Array, n: int, square: float, cell: int) -> None:
    """Replace the first of n cells in a heap; the first is the farthest."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and near[child + 1] > near[child]:
            child += 1
        if near[child] <= square:
            break
        near[at], found[at] = near[child], found[child]
        at = child
    near[at], found[at] = square, cell


@reordering_kernel
def _keep_nearest(squares: Array, n: int, cell: int, near: Array, found: Array) -> None:
    """Replace cells of a heap by the nearer of n cells, which are numbered from `cell` on."""
    n_nearer = 0
    for c in range(n):
        n_nearer += squares[c] < near[0]
    if n_nearer == 0:
        return
    for c in range(n):
        if squares[c] < near[0]:
            _replace_first(near, found, len(near), squares[c], cell + c)


@reordering_kernel
def _sort_heap(near: Array, found: Array) -> None:
    """Sort a heap by increasing distance."""
    for last in range(len(near) - 1, 0, -1):
        square, cell = near[last], found[last]
        near[last], found[last] = near[0], found[0]
        _replace_first(near, found, last, square, cell)


@reordering_kernel
def _nearest_first(squares: Array, n: int) -> Array:
    """Return the nearest n lists and those at the distance of the last, nearest first."""
    if n >= len(squares):
        return np.argsort(squares, kind="mergesort")
    near = np.flatnonzero(squares <= np.partition(squares, n - 1)[n - 1])
    return near[np.argsort(squares[near], kind="mergesort")]


@reordering_kernel
def search_lists(
    rows: Array,
    first: Array,
    columns: Array,
    first_column: Array,
    centres: Array,
    queries: Array,
    first_query: Array,
    reach: float,
    near: Array,
    found: Array,
    start: int,
    stop: int,
) -> None:
    """Write the nearest cells of the queries in some lists, and squared distances, nearest first.

    Cells are sorted by list. List l has the rows from ``first[l]`` to ``first[l + 1]``. `columns`
    has the same cells once more, each list with the shape (dimensions, cells) and with infinite
    values after the last cell. `centres` has the shape (dimensions, lists).

    The rows ``queries[first_query[l]:first_query[l + 1]]`` are searched for together, first in the
    lists that are nearest to list l. A list is searched for a cell if the squared distance of its
    centre is at most `reach` times that of the farthest of the nearest cells so far.
    """
    n_dims, n_lists = centres.shape
    squares = np.empty(np.diff(first_column).max(), np.float32)
    other_squares = np.empty_like(squares)
    compared = np.empty(np.diff(first_query).max(), np.int64)
    apart = np.empty(n_lists, np.float32)
    next_centres = np.empty((n_dims, _LISTS_AT_ONCE), np.float32)
    for own in range(start, stop):
        left = np.arange(first_query[own], first_query[own + 1])
        away = np.empty((len(left), _LISTS_AT_ONCE), np.float32)
        _squares(centres, centres[:, own].copy(), n_lists, apart)
        order = _nearest_first(apart, _FIRST_SORTED)
        for at in range(0, n_lists, _LISTS_AT_ONCE):
            if len(left) == 0:
                break
            n = min(_LISTS_AT_ONCE, n_lists - at)
            if at + n > len(order):
                order = _nearest_first(apart, 4 * len(order))
            for a in range(n):
                for j in range(n_dims):
                    next_centres[j, a] = centres[j, order[at + a]]
            for number, q in enumerate(left):
                _squares(next_centres, rows[queries[q]], n, away[number])
            searched = np.zeros(len(left), np.bool_)
            for a in range(n):
                other = order[at + a]
                size = first_column[other + 1] - first_column[other]
                block = columns[first_column[other] * n_dims : first_column[other + 1] * n_dims]
                block = block.reshape(n_dims, size)
                n_compared = 0
                for number, q in enumerate(left):
                    if away[number, a] <= reach * near[q, 0]:
                        searched[number] = True
                        compared[n_compared] = q
                        n_compared += 1
                for c in range(0, n_compared - 1, 2):
                    q, r = compared[c], compared[c + 1]
                    of_q, of_r = rows[queries[q]], rows[queries[r]]
                    _squares_of_two(block, of_q, of_r, size, squares, other_squares)
                    _keep_nearest(squares, size, first[other], near[q], found[q])
                    _keep_nearest(other_squares, size, first[other], near[r], found[r])
                if n_compared % 2:
                    q = compared[n_compared - 1]
                    _squares(block, rows[queries[q]], size, squares)
                    _keep_nearest(squares, size, first[other], near[q], found[q])
            left = left[searched]
        for q in range(first_query[own], first_query[own + 1]):
            _sort_heap(near[q], found[q])


@reordering_kernel
def turn_lists(rows: Array, first: Array, first_column: Array, out: Array) -> None:
    """Write the rows of every list with the shape (dimensions, cells), one list after another."""
    n_dims = rows.shape[1]
    for b in range(len(first) - 1):
        size = first_column[b + 1] - first_column[b]
        block = out[first_column[b] * n_dims : first_column[b + 1] * n_dims].reshape(n_dims, size)
        for c in range(first[b + 1] - first[b]):
            for j in range(n_dims):
                block[j, c] = rows[first[b] + c, j]


@kernel
def write_found(
    cells: Array,
    squares: Array,
    found: Array,
    distances: Array,
    indices: Array,
    start: int,
    stop: int,
) -> None:
    """Write distances and cells of the neighbours of some places in the lists to their cells."""
    for place in range(start, stop):
        cell = cells[place]
        for k in range(found.shape[1]):
            distances[cell, k] = np.sqrt(squares[place, k])
            indices[cell, k] = cells[found[place, k]]
