"""Compiled loops. Each works on the rows `start` to `stop` and is run by a thread pool.

Plain arrays and CSR triples in; results are written into arrays that the caller made. The
tests hold a numpy twin of each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import kernel, reordering_kernel

Array = np.ndarray[Any, Any]


@kernel
def gather_block(
    indptr: Array,
    indices: Array,
    data: Array,
    scale: Array,
    position: Array,
    columns: tuple[int, int],
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write the scaled entries of some columns of a CSR matrix into zeroed dense rows.

    `position` maps a column to its place in `out`, or to −1; `columns` is the half-open range in
    which the wanted columns lie. Column indices must be sorted within a row.
    """
    first, last = columns
    for i in range(start, stop):
        low, high = indptr[i], indptr[i + 1]
        end = high
        while low < high:  # bisection for the first entry at or after `first`
            middle = (low + high) // 2
            if indices[middle] < first:
                low = middle + 1
            else:
                high = middle
        for k in range(low, end):
            column = indices[k]
            if column >= last:
                break
            place = position[column]
            if place >= 0:
                out[i, place] = np.float32(data[k] * scale[i])


@kernel
def smooth_rows(
    indptr: Array, indices: Array, values: Array, out: Array, start: int, stop: int
) -> None:
    """Mean of the rows of `values` over each row's neighbours; zero where there are none.

    Summed in float32 in the order of the neighbours without fused multiply-adds, as a product
    of sparse float32 matrices is: moments equal those of scVelo to the last bit.
    """
    width = values.shape[1]
    for i in range(start, stop):
        for g in range(width):
            out[i, g] = np.float32(0.0)
        share = np.float32(1.0 / max(indptr[i + 1] - indptr[i], 1))
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            for g in range(width):
                out[i, g] += share * values[j, g]


@kernel
def reach(
    indptr: Array,
    indices: Array,
    n_steps: int,
    mark: Array,
    found: Array,
    out_indptr: Array,
    out_indices: Array,
    start: int,
    stop: int,
) -> None:
    """Other rows that can be reached in 1 to `n_steps` steps, sorted.

    With an empty `out_indices` their number is written to ``out_indptr[i + 1]``; with a
    full one they are written where `out_indptr` says. `mark` (filled with −1) and `found` are
    scratch arrays of one entry per row.
    """
    count_only = out_indices.shape[0] == 0
    for i in range(start, stop):
        found[0] = i
        mark[i] = i
        n_found = 1
        done = 0
        for _ in range(n_steps):
            end = n_found
            for f in range(done, end):
                row = found[f]
                for k in range(indptr[row], indptr[row + 1]):
                    j = indices[k]
                    if mark[j] != i:
                        mark[j] = i
                        found[n_found] = j
                        n_found += 1
            done = end
        if count_only:
            out_indptr[i + 1] = n_found - 1
        else:
            place = out_indptr[i]
            out_indices[place : place + n_found - 1] = np.sort(found[1:n_found])


@reordering_kernel
def add_edge_sums(
    expression: Array,
    velocity: Array,
    indptr: Array,
    indices: Array,
    products: Array,
    squares: Array,
    start: int,
    stop: int,
) -> None:
    """Add Σδv and Σδ² over the genes of a block, δ = x_j − x_i, to each edge i → j."""
    width = expression.shape[1]
    for i in range(start, stop):
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            product = np.float32(0.0)
            square = np.float32(0.0)
            for g in range(width):
                delta = expression[j, g] - expression[i, g]
                product += delta * velocity[i, g]
                square += delta * delta
            products[k] += product
            squares[k] += square


@kernel
def correlate_edges(
    indptr: Array,
    indices: Array,
    products: Array,
    squares: Array,
    expression_sum: Array,
    velocity_sum: Array,
    velocity_square: Array,
    n_genes: int,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Pearson correlation per edge from the sums over genes; 0 where either side is constant."""
    for i in range(start, stop):
        v_spread = velocity_square[i] - velocity_sum[i] * velocity_sum[i] / n_genes
        for k in range(indptr[i], indptr[i + 1]):
            delta_sum = expression_sum[indices[k]] - expression_sum[i]
            spread = squares[k] - delta_sum * delta_sum / n_genes
            value = 0.0
            # what float32 rounding leaves of a constant difference is no spread
            if spread > 1e-10 * squares[k] and v_spread > 1e-10 * velocity_square[i]:
                covariance = products[k] - delta_sum * velocity_sum[i] / n_genes
                value = covariance / np.sqrt(spread * v_spread)
            out[k] = min(max(value, -1.0), 1.0)


@kernel
def project_rows(
    indptr: Array,
    indices: Array,
    probability: Array,
    embedding: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Σ_j T_ij d_ij − (mean_j T_ij) Σ_j d_ij with unit displacements d_ij on the embedding."""
    width = embedding.shape[1]
    step = np.empty(width)
    total = np.empty(width)
    for i in range(start, stop):
        n_edges = indptr[i + 1] - indptr[i]
        mean = 0.0
        for g in range(width):
            out[i, g] = 0.0
            total[g] = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            mean += probability[k]
            length = 0.0
            for g in range(width):
                step[g] = embedding[indices[k], g] - embedding[i, g]
                length += step[g] * step[g]
            if length > 0.0:
                length = np.sqrt(length)
                for g in range(width):
                    out[i, g] += probability[k] * step[g] / length
                    total[g] += step[g] / length
        if n_edges > 0:
            for g in range(width):
                out[i, g] -= mean / n_edges * total[g]
