"""The edges of the velocity graph: each cell's neighbours and theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import _kernels
from ._threads import for_rows

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
    n_cells = len(indptr) - 1

    def run(out_indptr: NDArray[np.int64], out_indices: NDArray[np.int32]) -> None:
        def work(start: int, stop: int) -> None:
            mark = np.full(n_cells, -1, dtype=np.int32)
            found = np.empty(n_cells, dtype=np.int32)
            _kernels.reach(
                indptr, indices, n_steps, mark, found, out_indptr, out_indices, start, stop
            )

        for_rows(work, n_cells, n_threads)

    out_indptr = np.zeros(n_cells + 1, dtype=np.int64)
    run(out_indptr, np.empty(0, dtype=np.int32))
    np.cumsum(out_indptr, out=out_indptr)
    out_indices = np.empty(out_indptr[-1], dtype=np.int32)
    if len(out_indices) > 0:
        run(out_indptr, out_indices)
    return out_indptr, out_indices
