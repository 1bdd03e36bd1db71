"""A sparse matrix that multiplies vectors in threads, for iterative solvers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ._kernels._edges import multiply_rows
from ._threads import for_rows

if TYPE_CHECKING:
    import scipy.sparse as sp

    from steadyvelo.model._typing import Float64Array

__all__ = ["in_parallel"]


def in_parallel(matrix: sp.csr_matrix[Any], n_threads: int) -> LinearOperator:
    """Return an operator that multiplies as a CSR matrix does, rows in threads.

    Parameters
    ----------
    matrix
        CSR, any real type.
    n_threads
        Number of threads.
    """

    def product(vector: Float64Array) -> Float64Array:
        x = np.ascontiguousarray(vector, dtype=np.float64).ravel()
        out = np.empty(matrix.shape[0])

        def work(start: int, stop: int) -> None:
            multiply_rows(matrix.indptr, matrix.indices, matrix.data, x, out, start, stop)

        for_rows(work, len(out), n_threads)
        return out

    return LinearOperator(matrix.shape, matvec=product, dtype=np.dtype(np.float64))
