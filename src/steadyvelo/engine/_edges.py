"""The edges of the velocity graph: each cell's neighbours and theirs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ._kernels._edges import reach
from ._threads import in_threads, row_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["recursive_neighbors"]


def recursive_neighbors(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], *, n_steps: int, n_threads: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Find the other cells that can be reached in 1 to `n_steps` steps.

    Parameters
    ----------
    indptr, indices
        CSR pattern of direct neighbours; rows may differ in length, a cell's own index is ignored.
    n_steps
        1 for neighbours, 2 for neighbours and theirs, and so on.
    n_threads
        Number of threads.

    Returns
    -------
    CSR pattern, indices sorted in each row.
    """
    chunks = row_chunks(len(indptr) - 1, n_threads)
    parts = in_threads(
        [partial(reach, indptr, indices, n_steps, start, stop) for start, stop in chunks],
        n_threads,
    )
    degrees = np.concatenate([degrees for degrees, _ in parts])
    out_indptr = np.concatenate([[0], np.cumsum(degrees)])
    out_indices = np.empty(out_indptr[-1], dtype=np.int32)
    parts.reverse()
    for start, _ in chunks:
        # a part is let go as soon as it is copied
        _, found = parts.pop()
        place = out_indptr[start]
        out_indices[place : place + len(found)] = found
    return out_indptr, out_indices
