"""Products of a sparse matrix with vectors, for searches of eigenvectors."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from ._threads import in_threads

if TYPE_CHECKING:
    from steadyvelo.model._typing import Float64Array

__all__ = ["row_products"]


def row_products(matrix: sp.csr_matrix[Any], n_threads: int = 1) -> LinearOperator:
    """Return a sparse matrix as an operator that multiplies its rows in threads.

    Each row is summed by one thread in the order of its entries, so that the number of threads
    changes no digit. The loops are scipy's.

    Parameters
    ----------
    matrix
        Float64, rows × columns.
    n_threads
        Number of threads; each gets a range of rows with about as many entries.
    """
    shares = np.linspace(0, matrix.nnz, n_threads + 1)[1:-1]
    bounds = [0, *np.searchsorted(matrix.indptr, shares).tolist(), matrix.shape[0]]
    ranges = [_rows(matrix, start, stop) for start, stop in pairwise(bounds)]

    def product(vector: Float64Array) -> Float64Array:
        flat = vector.ravel()
        parts: list[Float64Array] = in_threads(
            [partial(_times, r, flat) for r in ranges], n_threads
        )
        return np.concatenate(parts)

    return LinearOperator(matrix.shape, matvec=product, dtype=np.dtype(np.float64))


def _times(rows: sp.csr_matrix[Any], vector: Float64Array) -> Float64Array:
    result: Float64Array = rows @ vector
    return result


def _rows(matrix: sp.csr_matrix[Any], start: int, stop: int) -> sp.csr_matrix[Any]:
    """Return a range of rows that shares its entries with the whole."""
    entries = slice(matrix.indptr[start], matrix.indptr[stop])
    part = sp.csr_matrix((stop - start, matrix.shape[1]), dtype=matrix.dtype)
    part.indptr = matrix.indptr[start : stop + 1] - matrix.indptr[start]
    part.indices, part.data = matrix.indices[entries], matrix.data[entries]
    return part
