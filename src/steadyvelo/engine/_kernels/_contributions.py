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
        total += np.float64(x[g] * y[g])
    return total


@kernel
def _project(
    neighbors: Array, steps: Array, shift: Array, means: Array, own: Array, projection: Array
) -> None:
    """Write M_g = Σ_e w_e (x_jg − x_ig) − b for each dimension; `own` is x_i, `shift` b.

    Four neighbours are processed at a time, so that the sum is not stored and loaded for each.
    """
    n_dims, width = projection.shape
    n = neighbors.shape[0]
    for d in range(n_dims):
        row = projection[d]
        total = 0.0
        for e in range(n):
            total += steps[e, d]
        common, base = np.float32(total), np.float32(shift[d])
        for g in range(width):
            row[g] = -(common * own[g] + base)
        e = 0
        while e + 4 <= n:
            a, b = means[neighbors[e]], means[neighbors[e + 1]]
            c, f = means[neighbors[e + 2]], means[neighbors[e + 3]]
            p, q = np.float32(steps[e, d]), np.float32(steps[e + 1, d])
            r, t = np.float32(steps[e + 2, d]), np.float32(steps[e + 3, d])
            for g in range(width):
                row[g] += (p * a[g] + q * b[g]) + (r * c[g] + t * f[g])
            e += 4
        while e < n:
            a, p = means[neighbors[e]], np.float32(steps[e, d])
            for g in range(width):
                row[g] += p * a[g]
            e += 1


@kernel
def add_fold(
    indptr: Array,
    indices: Array,
    projecting: Array,
    embedding: Array,
    weights: Array,
    shifts: Array,
    means: Array,
    noise: Array,
    other_means: Array,
    deviations: Array,
    mean_deviations: Array,
    deviation_noise: Array,
    columns: Array,
    contributions: Array,
    noise_along: Array,
    chance: Array,
    arrows: Array,
    slopes: Array,
    offsets: Array,
    start: int,
    stop: int,
) -> None:
    """Add what the genes of one fold give, with M from one fold of cells and r from the other.

    `projecting` marks the cells that give M. Values of counts have one row per cell and one column
    per gene: `means` (x̄ over the projecting neighbours) and `noise` (s̃ − x̄), `other_means` (x̄
    over the other neighbours), `deviations` r, their means over the other neighbours, and r minus
    these. Sums over these genes are added to `contributions` and `noise_along` of every edge and to
    `chance` of every row; each gene's part of an arrow, and its derivatives by γ and by the offset,
    to `columns` of the last three arrays, (rows, dimensions, genes). `offsets` may be empty.
    """
    n_dims, width = embedding.shape[1], means.shape[1]
    most = 0
    for i in range(start, stop):
        most = max(most, indptr[i + 1] - indptr[i])
    steps = np.empty((most, n_dims))
    projection = np.empty((n_dims, width), dtype=np.float32)
    velocity = np.empty(width, dtype=np.float32)
    spread = np.empty(width, dtype=np.float32)
    other_spread = np.empty(width, dtype=np.float32)
    for i in range(start, stop):
        low, high = indptr[i], indptr[i + 1]
        n_other = 0
        for e in range(low, high):
            n_other += not projecting[indices[e]]
        share = np.float32(n_other / max(high - low, 1))
        unit_steps(indices[low:high], embedding, i, weights[i], steps)
        _project(indices[low:high], steps, shifts[i], means, means[i], projection)
        for g in range(width):
            velocity[g] = share * mean_deviations[i, g]
            spread[g] = np.float32(0.0)
            other_spread[g] = np.float32(0.0)
        for e in range(low, high):
            c = indices[e]
            if projecting[c]:
                away = noise[c]
                noise_along[e] += _dot(velocity, away)
                for g in range(width):
                    spread[g] += away[g] * away[g]
            else:
                off = deviation_noise[c]
                for d in range(n_dims):
                    contributions[e, d] += _dot(projection[d], deviations[c])
                for g in range(width):
                    other_spread[g] += off[g] * off[g]
        n_projecting = high - low - n_other
        if n_projecting > 0 and n_other > 0:
            both = _dot(spread, other_spread) / n_projecting / n_other
            chance[i] += np.float64(share) * np.float64(share) * both / n_other
        for d in range(n_dims):
            row = projection[d]
            for g in range(width):
                arrows[i, d, columns[g]] += row[g] * velocity[g]
                slopes[i, d, columns[g]] += row[g] * (share * other_means[i, g])
            if offsets.shape[0] > 0:
                for g in range(width):
                    offsets[i, d, columns[g]] += share * row[g]


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
