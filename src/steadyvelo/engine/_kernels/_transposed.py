"""Writing of the transpose of a sparse matrix; `places` are the next place of each of its rows."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def count_columns(indptr: Array, indices: Array, start: int, stop: int, counts: Array) -> None:
    """Count the entries of each column in some rows."""
    for k in range(indptr[start], indptr[stop]):
        counts[np.uint32(indices[k])] += 1


@kernel
def write_transposed(
    indptr: Array,
    indices: Array,
    data: Array,
    start: int,
    stop: int,
    places: Array,
    out_indices: Array,
    out_data: Array,
) -> None:
    """Write the entries of some rows to the transpose."""
    for i in range(start, stop):
        for k in range(indptr[i], indptr[i + 1]):
            j = np.uint32(indices[k])
            place = places[j]
            out_indices[place] = i
            out_data[place] = data[k]
            places[j] = place + 1


@kernel
def write_ranked(
    indptr: Array,
    indices: Array,
    receives: Array,
    start: int,
    stop: int,
    places: Array,
    out_indices: Array,
    out_ranks: Array,
) -> None:
    """Write the entries of some rows to the transpose for some columns, with their ranks."""
    for i in range(start, stop):
        for k in range(indptr[i], indptr[i + 1]):
            j = np.uint32(indices[k])
            if receives[j]:
                place = places[j]
                out_indices[place] = i
                out_ranks[place] = k - indptr[i]
                places[j] = place + 1
