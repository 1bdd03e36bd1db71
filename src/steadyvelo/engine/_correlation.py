"""Correlation of velocities with differences between cells, accumulated over gene blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from . import _kernels
from ._threads import for_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array

__all__ = ["edge_correlations", "split_signs"]


def edge_correlations(
    blocks: Iterable[tuple[Float32Array, Float32Array]],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    *,
    n_threads: int = 1,
) -> Float32Array:
    r"""Pearson correlation over genes of :math:`x_j - x_i` with :math:`v_i`, per edge i → j.

    Only Σδv, Σδ², Σv, Σv² and Σδ = Σx_j − Σx_i over genes are needed, so blocks are added up
    and forgotten.

    Parameters
    ----------
    blocks
        Expression x and velocity v of some genes each, float32, shape (cells, genes of the block).
    indptr, indices
        CSR pattern of the edges.
    n_threads
        Number of threads.

    Returns
    -------
    One value per edge in [−1, 1], float32; 0 where a difference or a velocity is constant.
    """
    n_cells = len(indptr) - 1
    products, squares = np.zeros(len(indices)), np.zeros(len(indices))
    expression_sum, velocity_sum, velocity_square = np.zeros((3, n_cells))
    n_genes = 0
    for expression, velocity in blocks:
        n_genes += expression.shape[1]
        expression_sum += expression.sum(axis=1, dtype=np.float64)
        velocity_sum += velocity.sum(axis=1, dtype=np.float64)
        velocity_square += np.einsum("ij,ij->i", velocity, velocity, dtype=np.float64)

        def add(
            start: int, stop: int, x: Float32Array = expression, v: Float32Array = velocity
        ) -> None:
            _kernels.add_edge_sums(x, v, indptr, indices, products, squares, start, stop)

        for_rows(add, n_cells, n_threads)
    out = np.empty(len(indices), dtype=np.float32)

    def correlate(start: int, stop: int) -> None:
        _kernels.correlate_edges(
            indptr,
            indices,
            products,
            squares,
            expression_sum,
            velocity_sum,
            velocity_square,
            n_genes,
            out,
            start,
            stop,
        )

    for_rows(correlate, n_cells, n_threads)
    return out


def split_signs(
    values: Float32Array, indptr: NDArray[np.int64], indices: NDArray[np.int32]
) -> tuple[sp.csr_matrix[Any], sp.csr_matrix[Any]]:
    """Return the positive and the negative values as two cells × cells CSR matrices."""
    shape = (len(indptr) - 1,) * 2

    def select(chosen: NDArray[np.bool_]) -> sp.csr_matrix[Any]:
        counts = np.concatenate([[0], np.cumsum(chosen)])
        return sp.csr_matrix((values[chosen], indices[chosen], counts[indptr]), shape=shape)

    return select(values > 0), select(values < 0)
