"""Lengths of velocities, and their correlations with neighbours and with transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._kernels._transitions import add_displacement_sums
from ._kernels._velocity_graph import add_edge_products, add_row_sums
from ._threads import for_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array, Float64Array, Pattern

__all__ = ["velocity_agreement"]

# a relative variance below this is float32 rounding of constant values
_ROUNDING = 1e-10


def velocity_agreement(
    blocks: Iterable[tuple[Float32Array, Float32Array]],
    neighbors: Pattern,
    transitions: tuple[NDArray[np.int64], NDArray[np.int32], Float32Array],
    *,
    n_threads: int = 1,
) -> tuple[Float64Array, Float64Array, Float64Array]:
    r"""Return lengths of velocities, and their confidence from neighbours and from transitions.

    Over genes, with the Pearson correlation :math:`\rho`, these are:

    .. math::
        \lVert v_i - \bar v_i \rVert, \qquad
        \operatorname{mean}_{j \in N(i)} \rho(v_i, v_j), \qquad
        \rho\Bigl(v_i, \textstyle\sum_j T_{ij} (x_j - x_i)\Bigr)

    Each block has x and v of some genes, float32, shape (cells, genes). `neighbors` is the CSR
    pattern of N, `transitions` the CSR triple of T, float32. Correlations are NaN for cells without
    neighbours or transitions, or if one side is constant over genes.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.engine import velocity_agreement
    >>> x, v = np.float32([[0, 0, 0], [1, 2, 3]]), np.float32([[2, 4, 6], [2, 4, 6]])
    >>> edges = np.array([0, 1, 2]), np.array([1, 0], dtype=np.int32)
    >>> found = velocity_agreement([(x, v)], edges, (*edges, np.ones(2, dtype=np.float32)))
    >>> [values.round(3).tolist() for values in found]
    [[2.828, 2.828], [1.0, 1.0], [1.0, -1.0]]
    """
    indptr, indices = neighbors
    n_cells, n_genes = len(indptr) - 1, 0
    sums, squares = np.zeros((2, n_cells))
    products, displacement = np.zeros(len(indices)), np.zeros((n_cells, 3))
    for expression, velocity in blocks:
        n_genes += velocity.shape[1]

        def add(
            start: int, stop: int, x: Float32Array = expression, v: Float32Array = velocity
        ) -> None:
            add_row_sums(v, sums, squares, start, stop)
            add_edge_products(v, indptr, indices, products, start, stop)
            add_displacement_sums(*transitions, x, v, displacement, start, stop)

        for_rows(add, n_cells, n_threads)
    spread = _spread(sums, squares, n_genes)
    degree = np.diff(indptr)
    own = np.repeat(np.arange(n_cells), degree)
    covariance = products - sums[own] * sums[indices] / n_genes
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covariance / np.sqrt(spread[own] * spread[indices])
        agreement = np.bincount(own, weights=correlation, minlength=n_cells) / degree
        y_sum, y_square, y_product = displacement.T
        along = (y_product - y_sum * sums / n_genes) / np.sqrt(
            spread * _spread(y_sum, y_square, n_genes)
        )
    along[np.diff(transitions[0]) == 0] = np.nan
    return np.sqrt(np.nan_to_num(spread)), agreement, along


def _spread(sums: Float64Array, squares: Float64Array, n_genes: int) -> Float64Array:
    """Return sums of squares around the mean; NaN if values are constant."""
    spread = squares - sums * sums / n_genes
    return np.where(spread > _ROUNDING * squares, spread, np.nan)
