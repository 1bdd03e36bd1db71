"""Weighted sums over cells."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from ._kernels._gather import column_sums_csr
from ._threads import in_threads, row_chunks

if TYPE_CHECKING:
    from steadyvelo.model._typing import Float64Array, Matrix

__all__ = ["weighted_column_sums"]


def weighted_column_sums(x: Matrix, weights: Float64Array, n_threads: int = 1) -> Float64Array:
    """Return Σ_i w_i x_ig per column g, float64.

    Parameters
    ----------
    x
        Cells × genes, sparse or dense.
    weights
        w, shape (cells,).
    n_threads
        Number of threads.
    """
    if not (sp.issparse(x) and x.format == "csr"):
        return np.asarray(weights @ x, dtype=np.float64).ravel()
    n_rows, n_columns = x.shape
    parts = in_threads(
        [
            partial(column_sums_csr, x.indptr, x.indices, x.data, weights, n_columns, *chunk)
            for chunk in row_chunks(n_rows, n_threads)
        ],
        n_threads,
    )
    return np.asarray(np.sum(parts, axis=0))
