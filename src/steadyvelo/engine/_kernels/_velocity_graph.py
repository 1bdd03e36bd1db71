"""Sums over genes for each edge, and the correlations that are computed from them."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel, reordering_kernel


@kernel
def edges_to(last: int, indices: Array, stop: int, cursor: Array, row: int) -> tuple[int, int]:
    """Return the range of a row's next edges to cells before `last`, and move its cursor past it.

    Its edges end before `stop`.
    """
    first = end = cursor[row]
    while end < stop and indices[end] < last:
        end += 1
    cursor[row] = end
    return first, end


@reordering_kernel
def add_edge_sums(
    expression: Array,
    velocity: Array,
    indptr: Array,
    indices: Array,
    products: Array,
    squares: Array,
    tile: int,
    start: int,
    stop: int,
) -> None:
    """Add Σδv and Σδ² over the genes of a block, δ = x_j − x_i, to each edge i → j.

    Indices must be sorted in all rows. The edges of all rows to the first `tile` cells are
    processed, then those to the next, so that these cells remain in the processor's cache. Four
    edges are processed at a time, for which x_i and v_i are loaded once. If fewer edges remain, the
    cell itself fills the gaps, and its sums are not stored. Sums are in the precision of the arrays
    to which they are added.
    """
    n_cells, width = expression.shape
    zero = products.dtype.type(0.0)
    cursor = indptr[start:stop].copy()
    for last in range(tile, n_cells + tile, tile):
        for i in range(start, stop):
            first, end = edges_to(last, indices, indptr[i + 1], cursor, i - start)
            own, v = expression[i], velocity[i]
            for k in range(first, end, 4):
                a = expression[indices[k]]
                b = expression[indices[k + 1]] if k + 1 < end else own
                c = expression[indices[k + 2]] if k + 2 < end else own
                d = expression[indices[k + 3]] if k + 3 < end else own
                product_a = product_b = product_c = product_d = zero
                square_a = square_b = square_c = square_d = zero
                for g in range(width):
                    delta_a, delta_b = a[g] - own[g], b[g] - own[g]
                    delta_c, delta_d = c[g] - own[g], d[g] - own[g]
                    product_a += delta_a * v[g]
                    product_b += delta_b * v[g]
                    product_c += delta_c * v[g]
                    product_d += delta_d * v[g]
                    square_a += delta_a * delta_a
                    square_b += delta_b * delta_b
                    square_c += delta_c * delta_c
                    square_d += delta_d * delta_d
                products[k] += product_a
                squares[k] += square_a
                if k + 1 < end:
                    products[k + 1] += product_b
                    squares[k + 1] += square_b
                if k + 2 < end:
                    products[k + 2] += product_c
                    squares[k + 2] += square_c
                if k + 3 < end:
                    products[k + 3] += product_d
                    squares[k + 3] += square_d


@reordering_kernel
def add_root_edge_sums(
    expression: Array,
    velocity: Array,
    indptr: Array,
    indices: Array,
    products: Array,
    squares: Array,
    sums: Array,
    tile: int,
    start: int,
    stop: int,
) -> None:
    """Add Σrv, Σr² and Σr with r = sign(δ)·√|δ|, δ = x_j − x_i, to the sums of each edge i → j.

    Edges are processed by tiles, as by :func:`add_edge_sums`, but one at a time: the roots take
    most of the time.
    """
    n_cells, width = expression.shape
    zero = products.dtype.type(0.0)
    cursor = indptr[start:stop].copy()
    for last in range(tile, n_cells + tile, tile):
        for i in range(start, stop):
            first, end = edges_to(last, indices, indptr[i + 1], cursor, i - start)
            own, v = expression[i], velocity[i]
            for k in range(first, end):
                other = expression[indices[k]]
                product = square = total = zero
                for g in range(width):
                    delta = other[g] - own[g]
                    root = np.copysign(np.sqrt(np.abs(delta)), delta)
                    product += root * v[g]
                    square += np.abs(delta)
                    total += root
                products[k] += product
                squares[k] += square
                sums[k] += total


@reordering_kernel
def add_edge_products(
    values: Array, indptr: Array, indices: Array, products: Array, start: int, stop: int
) -> None:
    """Add Σ y_i y_j over the genes of a block to the sum of each edge i → j.

    Four edges are processed at a time, for which y_i is loaded once. If fewer edges remain, the
    cell itself fills the gaps, and its sums are not stored.
    """
    width = values.shape[1]
    for i in range(start, stop):
        own, end = values[i], indptr[i + 1]
        for k in range(indptr[i], end, 4):
            a = values[indices[k]]
            b = values[indices[k + 1]] if k + 1 < end else own
            c = values[indices[k + 2]] if k + 2 < end else own
            d = values[indices[k + 3]] if k + 3 < end else own
            product_a = product_b = product_c = product_d = np.float32(0.0)
            for g in range(width):
                product_a += own[g] * a[g]
                product_b += own[g] * b[g]
                product_c += own[g] * c[g]
                product_d += own[g] * d[g]
            products[k] += product_a
            if k + 1 < end:
                products[k + 1] += product_b
            if k + 2 < end:
                products[k + 2] += product_c
            if k + 3 < end:
                products[k + 3] += product_d


@reordering_kernel
def add_row_sums(values: Array, sums: Array, squares: Array, start: int, stop: int) -> None:
    """Add Σy and Σy² over the genes of a block to the sums of each cell, in float64."""
    for i in range(start, stop):
        total = square = 0.0
        for g in range(values.shape[1]):
            value = np.float64(values[i, g])
            total += value
            square += value * value
        sums[i] += total
        squares[i] += square


@kernel
def correlate_edges(
    indptr: Array,
    indices: Array,
    products: Array,
    squares: Array,
    sums: Array,
    expression_sum: Array,
    velocity_sum: Array,
    velocity_square: Array,
    n_genes: int,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Compute the correlation of each edge from sums over genes; 0 if one side is constant.

    If `sums` is empty, Σδ = Σx_j − Σx_i is used.
    """
    free_sums = sums.shape[0] == 0
    for i in range(start, stop):
        v_spread = velocity_square[i] - velocity_sum[i] * velocity_sum[i] / n_genes
        for k in range(indptr[i], indptr[i + 1]):
            total = expression_sum[indices[k]] - expression_sum[i] if free_sums else sums[k]
            spread = squares[k] - total * total / n_genes
            value = 0.0
            # a relative variance below 1e-10 is float32 rounding of a constant difference
            if spread > 1e-10 * squares[k] and v_spread > 1e-10 * velocity_square[i]:
                covariance = products[k] - total * velocity_sum[i] / n_genes
                value = covariance / np.sqrt(spread * v_spread)
            out[k] = min(max(value, -1.0), 1.0)
