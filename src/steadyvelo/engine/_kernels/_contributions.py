"""Contributions of neighbours to arrows, their means and covariances.

Neighbours are listed by rank, so that sums over them do not depend on the order of the cells.
"""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel, reordering_kernel

from ._projection import unit_steps


@reordering_kernel
def _dot(x: Array, y: Array) -> float:
    """Return Σ_g x_g y_g, summed in float64."""
    total = 0.0
    for g in range(x.shape[0]):
        total += np.float64(x[g]) * np.float64(y[g])
    return total


@kernel
def fold_means(
    indptr: Array, indices: Array, fold: Array, values: Array, out: Array, start: int, stop: int
) -> None:
    """Write the means of the rows of `values` over each row's neighbours of each fold of cells.

    `fold` is 0 or 1 for each row, and `out` has the shape (folds, rows, genes); a mean is zero
    without neighbours. Four neighbours are processed at a time, so that the sum is not stored and
    loaded again for each.
    """
    most, width = 0, values.shape[1]
    for i in range(start, stop):
        most = max(most, indptr[i + 1] - indptr[i])
    near = np.empty((2, most), dtype=np.int64)
    numbers = np.empty(2, dtype=np.int64)
    for i in range(start, stop):
        numbers[:] = 0
        for e in range(indptr[i], indptr[i + 1]):
            c = indices[e]
            near[fold[c], numbers[fold[c]]] = c
            numbers[fold[c]] += 1
        for f in range(2):
            row, n, listed = out[f, i], numbers[f], near[f]
            share = np.float32(1.0 / max(n, 1))
            for g in range(width):
                row[g] = np.float32(0.0)
            k = 0
            while k + 4 <= n:
                a, b = values[listed[k]], values[listed[k + 1]]
                c, d = values[listed[k + 2]], values[listed[k + 3]]
                for g in range(width):
                    row[g] += (a[g] + b[g]) + (c[g] + d[g])
                k += 4
            while k < n:
                a = values[listed[k]]
                for g in range(width):
                    row[g] += a[g]
                k += 1
            for g in range(width):
                row[g] *= share


@kernel
def subtract_own_mean(
    values: Array, fold: Array, means: Array, out: Array, start: int, stop: int
) -> None:
    """Write each row minus the mean of its neighbours in its own fold of cells."""
    for i in range(start, stop):
        row, mean, target = values[i], means[fold[i], i], out[i]
        for g in range(row.shape[0]):
            target[g] = row[g] - mean[g]


@reordering_kernel
def _project(
    neighbors: Array, steps: Array, shift: Array, means: Array, own: Array, projection: Array
) -> None:
    """Write M_g = Σ_e w_e (x_jg − x_ig) − b for each dimension; `own` is x_i, `shift` b.

    Four neighbours are processed at a time, so that the sum is not stored and loaded for each.
    """
    n_dims, width = projection.shape
    n = neighbors.shape[0]
    for d in range(n_dims):
        row, total = projection[d], 0.0
        for e in range(n):
            total += steps[e, d]
        common, base = np.float32(total), np.float32(shift[d])
        for g in range(width):
            row[g] = -(common * own[g] + base)
    e = 0
    while e + 4 <= n:
        a, b = means[neighbors[e]], means[neighbors[e + 1]]
        c, f = means[neighbors[e + 2]], means[neighbors[e + 3]]
        for d in range(n_dims):
            row = projection[d]
            p, q = np.float32(steps[e, d]), np.float32(steps[e + 1, d])
            r, t = np.float32(steps[e + 2, d]), np.float32(steps[e + 3, d])
            for g in range(width):
                row[g] += (p * a[g] + q * b[g]) + (r * c[g] + t * f[g])
        e += 4
    while e < n:
        a = means[neighbors[e]]
        for d in range(n_dims):
            row, p = projection[d], np.float32(steps[e, d])
            for g in range(width):
                row[g] += p * a[g]
        e += 1


@reordering_kernel
def _add_squares(values: Array, total: Array) -> None:
    for g in range(values.shape[0]):
        total[g] += values[g] * values[g]


@kernel
def add_fold_graph(
    indptr: Array,
    indices: Array,
    fold: Array,
    embedding: Array,
    weights: Array,
    shifts: Array,
    counts: tuple[Array, Array, Array],
    deviations: tuple[Array, Array, Array],
    other: tuple[Array, Array],
    columns: Array,
    of_edges: tuple[Array, Array, Array],
    chance: Array,
    of_genes: tuple[Array, Array, Array, Array],
    start: int,
    stop: int,
) -> None:
    """Add what the genes of one fold give, along the edges of their graph.

    The cells of one fold give M and those of the other fold give r; then the folds are exchanged.

    Parameters
    ----------
    fold
        Fold of each row's cell, 0 or 1.
    shifts
        b of M, shape (folds, rows, dimensions).
    counts
        Their values minus the mean over neighbours in the same fold; and their means over the
        neighbours in each fold, shape (folds, rows, genes).
    deviations
        The deviations r, and the same two arrays of them.
    other
        Deviations with the other size factors, and the means of these counts over the neighbours
        in each fold; no columns if there are none.
    columns
        Columns of `of_genes` that these genes have.
    of_edges
        Sums over genes for every edge: contributions, noise along the velocity, and contributions
        with the other size factors.
    chance
        Sums over genes for every row, shape (folds, rows).
    of_genes
        Each gene's part of an arrow, its derivatives by γ and by the offset, and its derivative by
        γ with the other size factors, shape (rows, dimensions, genes); those by the offset and the
        last may have no rows.
    """
    noise, means = counts
    r, off, mean_r = deviations
    other_r, other_means = other
    contributions, noise_along, other_contributions = of_edges
    arrows, slopes, offsets, other_slopes = of_genes
    n_dims, width = embedding.shape[1], r.shape[1]
    with_other, with_offset = other_r.shape[1] > 0, offsets.shape[0] > 0
    most = 0
    for i in range(start, stop):
        most = max(most, indptr[i + 1] - indptr[i])
    steps = np.empty((most, n_dims))
    projection = np.empty((n_dims, width), dtype=np.float32)
    velocity = np.empty(width, dtype=np.float32)
    spread = np.empty((2, width), dtype=np.float32)
    arrow, slope, other_slope, by_offset = np.empty((4, n_dims, width), dtype=np.float32)
    for i in range(start, stop):
        low, high = indptr[i], indptr[i + 1]
        n_second = 0
        for e in range(low, high):
            n_second += fold[indices[e]]
        unit_steps(indices[low:high], embedding, i, weights[i], steps)
        arrow[:], slope[:], other_slope[:], by_offset[:] = 0.0, 0.0, 0.0, 0.0
        for p in range(2):
            # cells of fold p give the projection
            n_other = n_second if p == 0 else high - low - n_second
            share = np.float32(n_other / max(high - low, 1))
            _project(indices[low:high], steps, shifts[p, i], means[p], means[p, i], projection)
            for g in range(width):
                velocity[g] = share * mean_r[1 - p, i, g]
            spread[:] = 0.0
            for e in range(low, high):
                c = indices[e]
                if fold[c] == p:
                    noise_along[e] += _dot(velocity, noise[c])
                    _add_squares(noise[c], spread[0])
                else:
                    _add_squares(off[c], spread[1])
                    for d in range(n_dims):
                        contributions[e, d] += _dot(projection[d], r[c])
                    if with_other:
                        for d in range(n_dims):
                            other_contributions[e, d] += _dot(projection[d], other_r[c])
            n_projecting = high - low - n_other
            if n_projecting > 0 and n_other > 0:
                both = _dot(spread[0], spread[1]) / n_projecting / n_other
                chance[p, i] += np.float64(share) * np.float64(share) * both / n_other
            for d in range(n_dims):
                row = projection[d]
                for g in range(width):
                    arrow[d, g] += row[g] * velocity[g]
                    slope[d, g] += row[g] * (share * means[1 - p, i, g])
                if with_offset:
                    for g in range(width):
                        by_offset[d, g] += share * row[g]
                if with_other:
                    for g in range(width):
                        other_slope[d, g] += row[g] * (share * other_means[1 - p, i, g])
        for d in range(n_dims):
            for g in range(width):
                k = columns[g]
                arrows[i, d, k] += arrow[d, g]
                slopes[i, d, k] += slope[d, g]
                if with_offset:
                    offsets[i, d, k] += by_offset[d, g]
                if with_other:
                    other_slopes[i, d, k] += other_slope[d, g]


@kernel
def mean_contributions(
    indptr: Array,
    indices: Array,
    contributions: Array,
    signs: Array,
    arrows: Array,
    covariances: Array,
    n_contributions: Array,
    start: int,
    stop: int,
) -> None:
    """Compute the mean contribution of every cell's neighbours and its covariance, over graphs.

    `indptr` has one row per graph, with places in `indices` and `contributions`; `signs` one row
    for each set of signs, for which results have the shape (sets, rows, ...). Contributions have
    the sign of their cell and are centred within each graph. The contributions of one cell in
    several graphs are summed, because they come from the same counts. The number of contributions
    is the number of cells, each weighted by the number of graphs in which it occurs, (Σw)² / Σw².
    """
    n_graphs, n_dims, n_sets = indptr.shape[0], contributions.shape[1], signs.shape[0]
    n_cells = indptr.shape[1] - 1
    most = 0
    for i in range(start, stop):
        here = 0
        for p in range(n_graphs):
            here += indptr[p, i + 1] - indptr[p, i]
        most = max(most, here)
    # the number of each cell among those that contribute to a row, from 1
    number = np.zeros(n_cells, dtype=np.int32)
    of_edge = np.empty(most, dtype=np.int32)
    times = np.empty(most)
    kept = np.empty((most, n_dims))
    mean = np.empty(n_dims)
    for i in range(start, stop):
        n_distinct = total = 0
        for p in range(n_graphs):
            for e in range(indptr[p, i], indptr[p, i + 1]):
                c = indices[e]
                if number[c] == 0:
                    times[n_distinct] = 0.0
                    n_distinct += 1
                    number[c] = n_distinct
                of_edge[total] = number[c] - 1
                times[number[c] - 1] += 1.0
                total += 1
        square = 0.0
        for k in range(n_distinct):
            square += times[k] * times[k]
        n_contributions[i] = total * total / square if total > 0 else 0.0
        # mean number of contributions in a graph; centring reduces the degrees of freedom by one
        usual = total / n_graphs
        factor = usual / (usual - 1.0) if usual > 1.0 else np.nan
        for s in range(n_sets):
            for d in range(n_dims):
                arrows[s, i, d] = 0.0
                for f in range(n_dims):
                    covariances[s, i, d, f] = 0.0
            for k in range(n_distinct):
                for d in range(n_dims):
                    kept[k, d] = 0.0
            place = 0
            for p in range(n_graphs):
                low, high = indptr[p, i], indptr[p, i + 1]
                if low == high:
                    continue
                for d in range(n_dims):
                    mean[d] = 0.0
                    for e in range(low, high):
                        mean[d] += signs[s, indices[e]] * contributions[e, d]
                    mean[d] /= high - low
                    arrows[s, i, d] += mean[d]
                for e in range(low, high):
                    k = of_edge[place]
                    for d in range(n_dims):
                        away = signs[s, indices[e]] * contributions[e, d] - mean[d]
                        kept[k, d] += away / (high - low)
                    place += 1
            for k in range(n_distinct):
                for d in range(n_dims):
                    for f in range(d + 1):
                        covariances[s, i, d, f] += kept[k, d] * kept[k, f]
            for d in range(n_dims):
                for f in range(d + 1):
                    covariances[s, i, d, f] *= factor
                    covariances[s, i, f, d] = covariances[s, i, d, f]
        for p in range(n_graphs):
            for e in range(indptr[p, i], indptr[p, i + 1]):
                number[indices[e]] = 0
