"""Transition probabilities row by row, and arrows computed from them."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel, reordering_kernel


@kernel
def count_transitions(
    graph: tuple[Array, Array, Array],
    graph_neg: tuple[Array, Array, Array],
    stay: Array,
    keep_own: bool,  # noqa: FBT001 (kernels take no keywords)
    cell_of_row: Array,
    degrees: Array,
    start: int,
    stop: int,
) -> None:
    """Count the transitions that :func:`transition_rows` writes to each row."""
    for p in range(start, stop):
        i = cell_of_row[p]
        own = stay[i]
        n = 0
        for k in range(graph[0][i], graph[0][i + 1]):
            if graph[1][k] == i:
                own += graph[2][k]
            elif graph[2][k] != 0.0:
                n += 1
        for k in range(graph_neg[0][i], graph_neg[0][i + 1]):
            if graph_neg[1][k] == i:
                own += graph_neg[2][k]
            elif graph_neg[2][k] != 0.0:
                n += 1
        degrees[p] = n + 1 if keep_own and own != 0.0 else n


@kernel
def transitions_of_cell(
    graph: tuple[Array, Array, Array],
    graph_neg: tuple[Array, Array, Array],
    stay: Array,
    scale: float,
    keep_own: bool,  # noqa: FBT001 (kernels take no keywords)
    i: int,
    columns: Array,
    values: Array,
    signed: bool,  # noqa: FBT001
) -> int:
    """Compute a row of T from correlations of both signs, with `stay` on the diagonal.

    Unsigned: exp(λc) / Σ exp(λc). Signed: sign(c)·expm1(λ|c|), divided by the sum of absolute
    values. The row's largest exponent is subtracted first, which changes no quotient, so that
    nothing overflows. An entry of 0 is not an edge. `keep_own` says whether the diagonal is
    written. Returns how many entries of `columns`, in ascending order, and `values` were written.
    """
    (a_indptr, a_indices, a_data), (b_indptr, b_indices, b_data) = graph, graph_neg
    n_cells = a_indptr.shape[0] - 1
    a, a_end, b, b_end = a_indptr[i], a_indptr[i + 1], b_indptr[i], b_indptr[i + 1]
    n = 0
    own, own_left = -1, True
    top = 0.0 if signed else -np.inf
    while own_left or a < a_end or b < b_end:
        column = i if own_left else n_cells
        if a < a_end:
            column = min(column, a_indices[a])
        if b < b_end:
            column = min(column, b_indices[b])
        c = 0.0
        if own_left and column == i:
            c += stay[i]
            own, own_left = n, False
        if a < a_end and a_indices[a] == column:
            c += a_data[a]
            a += 1
        if b < b_end and b_indices[b] == column:
            c += b_data[b]
            b += 1
        if c != 0.0:
            columns[n], values[n] = column, scale * c
            top = max(top, abs(scale * c) if signed else scale * c)
            n += 1
    total = 0.0
    for k in range(n):
        c = values[k]
        if signed:
            size = np.exp(abs(c) - top) - np.exp(-top)
            values[k] = size if c > 0.0 else -size
            total += size
        else:
            values[k] = np.exp(c - top)
            total += values[k]
    for k in range(n):
        values[k] /= total
    if not keep_own and own < n and columns[own] == i:
        n -= 1
        for k in range(own, n):
            columns[k], values[k] = columns[k + 1], values[k + 1]
    return n


@kernel
def transition_rows(
    graph: tuple[Array, Array, Array],
    graph_neg: tuple[Array, Array, Array],
    stay: Array,
    scale: float,
    signed: bool,  # noqa: FBT001 (kernels take no keywords)
    keep_own: bool,  # noqa: FBT001
    cell_of_row: Array,
    row_of_cell: Array,
    out: tuple[Array, Array, Array],
    start: int,
    stop: int,
) -> None:
    """Write :func:`transitions_of_cell` of cell ``cell_of_row[p]`` to row p, for some rows.

    A transition to cell j is in column ``row_of_cell[j]``; entries of a row are in the order of the
    cells.
    """
    out_indptr, out_indices, out_data = out
    n_cells = cell_of_row.shape[0]
    columns = np.empty(n_cells + 1, dtype=np.int64)
    values = np.empty(n_cells + 1)
    for p in range(start, stop):
        n = transitions_of_cell(
            graph, graph_neg, stay, scale, keep_own, cell_of_row[p], columns, values, signed
        )
        place = out_indptr[p]
        for k in range(n):
            out_indices[place + k] = row_of_cell[columns[k]]
            out_data[place + k] = np.float32(values[k])


@reordering_kernel
def add_displacement_sums(
    indptr: Array,
    indices: Array,
    weights: Array,
    expression: Array,
    velocity: Array,
    sums: Array,
    start: int,
    stop: int,
) -> None:
    """Add Σy, Σy² and Σyv over the genes of a block, y = Σ_j w_ij (x_j − x_i), to rows of `sums`.

    Eight entries of a row are processed at a time, so that y is not stored and loaded again for
    each.
    """
    width = expression.shape[1]
    y = np.empty(width, dtype=np.float32)
    for i in range(start, stop):
        own, v = expression[i], velocity[i]
        for g in range(width):
            y[g] = np.float32(0.0)
        k, end = indptr[i], indptr[i + 1]
        while k + 8 <= end:
            a, b = expression[indices[k]], expression[indices[k + 1]]
            c, d = expression[indices[k + 2]], expression[indices[k + 3]]
            e, f = expression[indices[k + 4]], expression[indices[k + 5]]
            h, m = expression[indices[k + 6]], expression[indices[k + 7]]
            wa, wb, wc, wd = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            we, wf, wh, wm = weights[k + 4], weights[k + 5], weights[k + 6], weights[k + 7]
            for g in range(width):
                x = own[g]
                y[g] += (
                    wa * (a[g] - x)
                    + wb * (b[g] - x)
                    + wc * (c[g] - x)
                    + wd * (d[g] - x)
                    + we * (e[g] - x)
                    + wf * (f[g] - x)
                    + wh * (h[g] - x)
                    + wm * (m[g] - x)
                )
            k += 8
        while k < end:
            a, wa = expression[indices[k]], weights[k]
            for g in range(width):
                y[g] += wa * (a[g] - own[g])
            k += 1
        total = square = product = np.float32(0.0)
        for g in range(width):
            total += y[g]
            square += y[g] * y[g]
            product += y[g] * v[g]
        sums[i, 0] += total
        sums[i, 1] += square
        sums[i, 2] += product


@kernel
def arrow_rows(
    graph: tuple[Array, Array, Array],
    graph_neg: tuple[Array, Array, Array],
    stay: Array,
    scale: float,
    keep_own: bool,  # noqa: FBT001 (kernels take no keywords)
    embedding: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write Σ_j T_ij d_ij − (mean_j T_ij) Σ_j d_ij, with unit vectors d_ij on the embedding.

    T is signed; its rows are computed one after the other and not stored. NaN if a row is empty.
    """
    n_cells, width = embedding.shape
    columns = np.empty(n_cells + 1, dtype=np.int64)
    values = np.empty(n_cells + 1)
    step = np.empty(width)
    total = np.empty(width)
    for i in range(start, stop):
        n = transitions_of_cell(
            graph, graph_neg, stay, scale, keep_own, i, columns, values, signed=True
        )
        mean = 0.0
        for g in range(width):
            out[i, g] = 0.0 if n > 0 else np.nan
            total[g] = 0.0
        for k in range(n):
            mean += values[k]
            length = 0.0
            for g in range(width):
                step[g] = embedding[columns[k], g] - embedding[i, g]
                length += step[g] * step[g]
            if length > 0.0:
                inverse = 1.0 / np.sqrt(length)
                for g in range(width):
                    out[i, g] += values[k] * inverse * step[g]
                    total[g] += inverse * step[g]
        if n > 0:
            for g in range(width):
                out[i, g] -= mean / n * total[g]
