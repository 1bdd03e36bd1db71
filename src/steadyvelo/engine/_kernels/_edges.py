"""Edges between cells, and sums over genes along them."""

from __future__ import annotations

from typing import Any

import numpy as np

from steadyvelo._jit import kernel, reordering_kernel

Array = np.ndarray[Any, Any]


@kernel
def sort_keys(keys: Array, spare: Array, lowest: int, bound: int, digits: Array) -> None:
    """Sort whole numbers by the bits from `lowest` on, which hold numbers under `bound`.

    Radix sort, eight bits at a time: compiles in a moment, unlike numpy's sort. `spare` is scratch
    at least as long as `keys`, `digits` has 257 entries.
    """
    shift = lowest
    while bound > 1 << (shift - lowest):
        digits[:] = 0
        for key in keys:
            digits[((key >> shift) & 255) + 1] += 1
        for d in range(256):
            digits[d + 1] += digits[d]
        for key in keys:
            digit = (key >> shift) & 255
            spare[digits[digit]] = key
            digits[digit] += 1
        keys[:] = spare[: keys.shape[0]]
        shift += 8


@kernel
def relabel_sorted(
    indptr: Array,
    indices: Array,
    data: Array,
    order: Array,
    position: Array,
    out: tuple[Array, Array, Array],
    start: int,
    stop: int,
) -> None:
    """Write rows `start` to `stop` of a matrix between cells as one between rows, indices sorted.

    Row p holds cell ``order[p]``; where rows begin stands in the first array of `out`.
    """
    out_indptr, out_indices, out_data = out
    n_cells = order.shape[0]
    # key of an entry: its column, and behind it its place in the row
    keys, spare = np.empty((2, n_cells), dtype=np.int64)
    digits = np.empty(257, dtype=np.int64)
    for p in range(start, stop):
        low = indptr[order[p]]
        n = indptr[order[p] + 1] - low
        for k in range(n):
            keys[k] = (np.int64(position[indices[low + k]]) << 32) | k
        sort_keys(keys[:n], spare, 32, n_cells, digits)
        place = out_indptr[p]
        for k in range(n):
            out_indices[place + k] = keys[k] >> 32
            out_data[place + k] = data[low + (keys[k] & 0xFFFFFFFF)]


@kernel
def reach(
    indptr: Array, indices: Array, n_steps: int, start: int, stop: int
) -> tuple[Array, Array]:
    """Other cells that can be reached in 1 to `n_steps` steps from cells `start` to `stop`.

    Returns their number per cell, and all of them one cell after the other, sorted in each.
    """
    n_cells = indptr.shape[0] - 1
    mark = np.full(n_cells, -1, dtype=np.int32)
    found, spare = np.empty((2, n_cells), dtype=np.int32)
    digits = np.empty(257, dtype=np.int64)
    degrees = np.empty(stop - start, dtype=np.int64)
    # memory that is not written to costs nothing: room for two steps from the start
    room = 0
    for i in range(start, stop):
        for k in range(indptr[i], indptr[i + 1]):
            room += 1 + indptr[indices[k] + 1] - indptr[indices[k]]
    out = np.empty(room, dtype=np.int32)
    filled = 0
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
        n_others = n_found - 1
        sort_keys(found[1:n_found], spare, 0, n_cells, digits)
        if filled + n_others > out.shape[0]:
            larger = np.empty(max(2 * out.shape[0], filled + n_others), dtype=np.int32)
            larger[:filled] = out[:filled]
            out = larger
        out[filled : filled + n_others] = found[1:n_found]
        degrees[i - start] = n_others
        filled += n_others
    return degrees, out[:filled]


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

    Indices are sorted in all rows. The edges to `tile` cells are followed from all rows before
    those to the next, so that the cells stay in the processor's cache, and four edges at a time,
    for which x_i and v_i are loaded once; where fewer are left the cell itself stands in and its
    sums are not stored.
    """
    n_cells, width = expression.shape
    cursor = indptr[start:stop].copy()
    for last in range(tile, n_cells + tile, tile):
        for i in range(start, stop):
            first = end = cursor[i - start]
            while end < indptr[i + 1] and indices[end] < last:
                end += 1
            cursor[i - start] = end
            own, v = expression[i], velocity[i]
            for k in range(first, end, 4):
                a = expression[indices[k]]
                b = expression[indices[k + 1]] if k + 1 < end else own
                c = expression[indices[k + 2]] if k + 2 < end else own
                d = expression[indices[k + 3]] if k + 3 < end else own
                product_a = product_b = product_c = product_d = np.float32(0.0)
                square_a = square_b = square_c = square_d = np.float32(0.0)
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
    start: int,
    stop: int,
) -> None:
    """Add Σrv, Σr² and Σr with r = sign(δ)·√|δ|, δ = x_j − x_i, to each edge i → j."""
    width = expression.shape[1]
    for i in range(start, stop):
        own, v = expression[i], velocity[i]
        for k in range(indptr[i], indptr[i + 1]):
            other = expression[indices[k]]
            product = square = total = np.float32(0.0)
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
    values: Array,
    indptr: Array,
    indices: Array,
    products: Array,
    start: int,
    stop: int,
) -> None:
    """Add Σ y_i y_j over the genes of a block to each edge i → j."""
    width = values.shape[1]
    for i in range(start, stop):
        own = values[i]
        for k in range(indptr[i], indptr[i + 1]):
            other = values[indices[k]]
            product = np.float32(0.0)
            for g in range(width):
                product += own[g] * other[g]
            products[k] += product


@kernel
def add_row_sums(values: Array, sums: Array, squares: Array, start: int, stop: int) -> None:
    """Add Σy and Σy² over the genes of a block to each cell, in float64."""
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
    """Pearson correlation per edge from the sums over genes; 0 where either side is constant.

    An empty `sums` stands for Σδ = Σx_j − Σx_i.
    """
    free_sums = sums.shape[0] == 0
    for i in range(start, stop):
        v_spread = velocity_square[i] - velocity_sum[i] * velocity_sum[i] / n_genes
        for k in range(indptr[i], indptr[i + 1]):
            total = expression_sum[indices[k]] - expression_sum[i] if free_sums else sums[k]
            spread = squares[k] - total * total / n_genes
            value = 0.0
            # what float32 rounding leaves of a constant difference is no spread
            if spread > 1e-10 * squares[k] and v_spread > 1e-10 * velocity_square[i]:
                covariance = products[k] - total * velocity_sum[i] / n_genes
                value = covariance / np.sqrt(spread * v_spread)
            out[k] = min(max(value, -1.0), 1.0)


@kernel
def split_row_signs(
    indptr: Array,
    indices: Array,
    values: Array,
    order: Array,
    position: Array,
    positive: tuple[Array, Array, Array],
    negative: tuple[Array, Array, Array],
    start: int,
    stop: int,
) -> None:
    """Write positive and negative values of cells `start` to `stop` to CSR triples of all cells.

    The pattern stands in an order of its own, the triples in the cells' order with sorted indices.
    With empty lists of indices the number of entries of cell i is written to ``indptr[i + 1]``
    of each triple.
    """
    n_cells = order.shape[0]
    count_only = positive[1].shape[0] + negative[1].shape[0] == 0
    # key of an entry: its column, and behind it its place in the row
    keys, spare = np.empty((2, n_cells), dtype=np.int64)
    digits = np.empty(257, dtype=np.int64)
    for i in range(start, stop):
        low = indptr[position[i]]
        n = indptr[position[i] + 1] - low
        if count_only:
            for k in range(low, low + n):
                positive[0][i + 1] += values[k] > 0
                negative[0][i + 1] += values[k] < 0
            continue
        for k in range(n):
            keys[k] = (np.int64(order[indices[low + k]]) << 32) | k
        sort_keys(keys[:n], spare, 32, n_cells, digits)
        p, m = positive[0][i], negative[0][i]
        for key in keys[:n]:
            value = values[low + (key & 0xFFFFFFFF)]
            if value > 0:
                positive[1][p] = key >> 32
                positive[2][p] = value
                p += 1
            elif value < 0:
                negative[1][m] = key >> 32
                negative[2][m] = value
                m += 1
