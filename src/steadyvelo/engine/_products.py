"""Products of a sparse matrix with vectors, for eigenvectors and for sums over cells."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from ._kernels._products import (
    add_shared,
    multiply_rows,
    multiply_rows_by_eight,
    multiply_transposed,
)
from ._scratch import aligned
from ._threads import in_threads, row_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from steadyvelo.model._typing import Float64Array, Matrix

# vectors whose products are computed at once, and the fewest for which this is faster than singly
_AT_ONCE, _FEWEST_AT_ONCE = 8, 3

# a kernel and the rows for which it is called
Task: TypeAlias = "tuple[Callable[..., None], tuple[int, int]]"
Sparse: TypeAlias = "sp.csr_matrix[Any] | sp.csr_array[Any]"

__all__ = [
    "row_products",
    "shared_column_sums",
    "weighted_column_sums",
    "weighted_row_sums",
]


def row_products(*matrices: Sparse, absolute: bool = False, n_threads: int = 1) -> LinearOperator:
    """Return the sum of sparse matrices as an operator whose products are computed in threads.

    With `absolute`, the sum is that of absolute values.

    Sums are computed in float64, in an order that does not depend on the number of threads. Entries
    are not copied, not even for the transpose.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import row_products
    >>> operator = row_products(sp.csr_matrix([[1.0, 2.0], [0.0, 3.0]]))
    >>> (operator @ np.ones(2)).tolist(), (operator.T @ np.ones(2)).tolist()
    ([3.0, 3.0], [1.0, 5.0])
    """
    shape = matrices[0].shape
    parts = [row_parts(matrix.indptr) for matrix in matrices]

    def add_products(kernel: Callable[..., None], vectors: Float64Array, out: Float64Array) -> None:
        for matrix, of_rows in zip(matrices, parts, strict=True):
            entries = matrix.indptr, matrix.indices, matrix.data
            work = partial(kernel, *entries, int(absolute), vectors, out)
            in_threads([partial(work, *part) for part in of_rows], n_threads)

    def product(vector: Float64Array) -> Float64Array:
        out = np.zeros(shape[0])
        add_products(multiply_rows, vector.ravel(), out)
        return out

    def products(vectors: Float64Array) -> Float64Array:
        out = np.zeros((shape[0], vectors.shape[1]), order="F")
        for first in range(0, vectors.shape[1], _AT_ONCE):
            some = vectors[:, first : first + _AT_ONCE]
            result = out[:, first : first + _AT_ONCE]
            if some.shape[1] < _FEWEST_AT_ONCE:
                for k in range(some.shape[1]):
                    result[:, k] = product(np.ascontiguousarray(some[:, k]))
                continue
            eight = aligned(len(some) * _AT_ONCE, np.dtype(np.float64)).reshape(-1, _AT_ONCE)
            eight[:, : some.shape[1]], eight[:, some.shape[1] :] = some, 0.0
            add_products(multiply_rows_by_eight, eight, result)
        return out

    def transposed(vector: Float64Array) -> Float64Array:
        tasks: list[Task] = []
        for matrix, of_rows in zip(matrices, parts, strict=True):
            entries = matrix.indptr, matrix.indices, matrix.data
            work = partial(multiply_transposed, *entries, int(absolute), vector.ravel())
            tasks += [(work, part) for part in of_rows]
        return _summed(tasks, shape[1], n_threads)

    return LinearOperator(
        shape, matvec=product, matmat=products, rmatvec=transposed, dtype=np.float64
    )


def weighted_column_sums(x: Matrix, weights: Float64Array, n_threads: int = 1) -> Float64Array:
    """Return Σ_i w_i x_ig for each column g of cells × genes, sparse or dense, in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.engine import weighted_column_sums
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> weighted_column_sums(x, np.array([1.0, 0.5])).tolist()
    [2.5, 4.0]
    """
    if sp.issparse(x) and x.format == "csr":
        return row_products(x, n_threads=n_threads).rmatvec(weights)
    return np.asarray(weights @ x, dtype=np.float64).ravel()


def shared_column_sums(x: Sparse, y: Sparse, n_threads: int = 1) -> Float64Array:
    """Return Σ_i (x_ij + y_ij) for each column j, over the rows i in which neither is 0.

    Both are CSR without repeated entries.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import shared_column_sums
    >>> x, y = sp.csr_array([[1.0, 2.0], [0.0, 4.0]]), sp.csr_array([[5.0, 0.0], [6.0, 7.0]])
    >>> shared_column_sums(x, y).tolist()
    [6.0, 11.0]
    """
    first, second = ((m.indptr, m.indices, m.data) for m in (x, y))
    work = partial(add_shared, first, second)
    return _summed([(work, part) for part in row_parts(x.indptr)], x.shape[1], n_threads)


def weighted_row_sums(x: Matrix, weights: Float64Array, n_threads: int = 1) -> Float64Array:
    """Return Σ_g w_gk x_ig for each row i of cells × genes and each column k of weights, float64.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.engine import weighted_row_sums
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> weighted_row_sums(x, np.array([[1.0], [0.5]])).tolist()
    [[2.0], [5.0]]
    """
    if sp.issparse(x) and x.format == "csr":
        return np.asarray(row_products(x, n_threads=n_threads) @ weights)
    return np.asarray(x @ weights, dtype=np.float64)


def _summed(tasks: list[Task], n_columns: int, n_threads: int) -> Float64Array:
    """Return the sum of the arrays to which tasks add what some rows give to all columns."""
    sums = np.zeros((len(tasks), n_columns))
    added = [partial(work, own, *rows) for (work, rows), own in zip(tasks, sums, strict=True)]
    in_threads(added, n_threads)
    total: Float64Array = sums.sum(axis=0)
    return total
