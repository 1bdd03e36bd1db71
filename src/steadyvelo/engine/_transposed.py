"""The place of every entry in the transpose of a sparse matrix, so that threads can write it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._kernels._transposed import count_columns
from ._threads import in_threads, row_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, IntArray

__all__ = ["Part", "transposed_places"]


class Part(NamedTuple):
    """Some rows of a matrix, and where their first entry of each column is in the transpose."""

    matrix: int
    start: int
    stop: int
    places: IntArray


def transposed_places(
    patterns: Sequence[tuple[NDArray[Any], NDArray[np.int32]]],
    n_columns: int,
    n_threads: int,
    receives: BoolArray | None = None,
) -> tuple[list[Part], IntArray]:
    """Return parts of matrices, given as indptr and indices, and the indptr of the transpose.

    The transpose is that of the sum; entries of its rows are in the order of the matrices, and in
    each in the order of its rows. If `receives` is given, the other columns are left out.
    """
    ranges = [
        (number, start, stop)
        for number, (indptr, _) in enumerate(patterns)
        for start, stop in row_parts(indptr)
    ]
    places = np.zeros((len(ranges), n_columns), dtype=np.int64)
    count = [
        partial(count_columns, *patterns[number], start, stop, own)
        for (number, start, stop), own in zip(ranges, places, strict=True)
    ]
    in_threads(count, n_threads)
    if receives is not None:
        places[:, ~receives] = 0
    indptr = np.concatenate([[0], np.cumsum(places.sum(axis=0))])
    np.cumsum(places, axis=0, out=places)
    places[1:] = places[:-1]
    places[0] = 0
    places += indptr[:-1]
    return [Part(*of, own) for of, own in zip(ranges, places, strict=True)], indptr
