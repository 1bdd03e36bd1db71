"""The projection of a change of expression: its values, lengths of steps, shifts, and its noise.

Neighbours are listed by rank, so that sums over them do not depend on the order of the cells.
"""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel, reordering_kernel

from ._fold_means import MEANS


@kernel
def mean_values(
    indptr: Array, indices: Array, chosen: Array, values: Array, out: Array, start: int, stop: int
) -> None:
    """Write the mean of one value of each row over its chosen neighbours; 0 without any."""
    for i in range(start, stop):
        n, total = 0, 0.0
        for e in range(indptr[i], indptr[i + 1]):
            if chosen[indices[e]]:
                n += 1
                total += values[indices[e]]
        out[i] = total / max(n, 1)


@reordering_kernel
def add_step_squares(
    indptr: Array,
    indices: Array,
    values: Array,
    place: int,
    squares: Array,
    start: int,
    stop: int,
) -> None:
    """Add the mean over each row's neighbours j of Σ_g (x_jg − x_ig)², with x at a place."""
    for i in range(start, stop):
        own, low, high = values[i, place], indptr[i], indptr[i + 1]
        total = 0.0
        for e in range(low, high):
            other = values[indices[e], place]
            for g in range(own.shape[0]):
                step = other[g] - own[g]
                total += np.float64(step * step)
        squares[i] += total / max(high - low, 1)


@kernel
def subtract_common_steps(
    indptr: Array, indices: Array, totals: Array, n_genes: int, out: Array, start: int, stop: int
) -> None:
    """Subtract the mean over each row's neighbours of (t_j − t_i)² / n, with t in `totals`."""
    for i in range(start, stop):
        low, high = indptr[i], indptr[i + 1]
        total = 0.0
        for e in range(low, high):
            step = totals[indices[e]] - totals[i]
            total += step * step
        out[i] -= total / n_genes / max(high - low, 1)


@reordering_kernel
def unit_steps(neighbors: Array, embedding: Array, i: int, weight: float, steps: Array) -> None:
    """Write w_e: unit vectors from row i to its neighbours, minus their mean, times a weight.

    The weight is divided by the number of neighbours. `steps` has the shape (dimensions + 1,
    neighbours); its last row is used for lengths.
    """
    n, n_dims = neighbors.shape[0], embedding.shape[1]
    inverse = steps[n_dims]
    for e in range(n):
        inverse[e] = 0.0
    for d in range(n_dims):
        step, own = steps[d], embedding[i, d]
        for e in range(n):
            step[e] = embedding[neighbors[e], d] - own
        for e in range(n):
            inverse[e] += step[e] * step[e]
    for e in range(n):
        inverse[e] = 1.0 / np.sqrt(inverse[e]) if inverse[e] > 0.0 else 0.0
    for d in range(n_dims):
        step, mean = steps[d], 0.0
        for e in range(n):
            step[e] *= inverse[e]
            mean += step[e]
        mean /= max(n, 1)
        share = weight / max(n, 1)
        for e in range(n):
            step[e] = (step[e] - mean) * share


@reordering_kernel
def add_eight(values: Array, at: Array, weights: Array, first: int, out: Array) -> None:
    """Add Σ w x of eight rows of values, from a first column.

    So the sum is not stored and loaded again for each row.
    """
    a, b, c, d = values[at[0]], values[at[1]], values[at[2]], values[at[3]]
    e, f, g, h = values[at[4]], values[at[5]], values[at[6]], values[at[7]]
    p, q, r, s = weights[0], weights[1], weights[2], weights[3]
    t, u, v, w = weights[4], weights[5], weights[6], weights[7]
    for k in range(out.shape[0]):
        j = np.uint64(first + k)
        one = (p * a[j] + q * b[j]) + (r * c[j] + s * d[j])
        other = (t * e[j] + u * f[j]) + (v * g[j] + w * h[j])
        out[k] += one + other


@kernel
def project(
    neighbors: Array,
    steps: Array,
    shifts: Array,
    flat: Array,
    i: int,
    eight: tuple[Array, Array],
    projection: Array,
) -> None:
    """Write M_g = Σ_e w_e (x_jg − x_ig) − b for each dimension and each fold of cells.

    Steps are the same for both folds, whose means follow each other in the rows of `flat`. The
    projection has the shape (dimensions, folds · genes); `eight` is room for rows and weights.
    """
    n_dims, both = projection.shape
    width, n = both // 2, neighbors.shape[0]
    at, weights = eight
    for d in range(n_dims):
        row, total = projection[d], 0.0
        for e in range(n):
            total += steps[d, e]
        common = np.float32(total)
        for p in range(2):
            base = np.float32(shifts[p, d])
            for g in range(p * width, (p + 1) * width):
                row[g] = -(common * flat[i, MEANS * width + g] + base)
        for first in range(0, n, 8):
            for m in range(8):
                # the last row is repeated with weight 0
                e = min(first + m, n - 1)
                at[m] = neighbors[e]
                weights[m] = np.float32(steps[d, e]) if first + m < n else np.float32(0.0)
            add_eight(flat, at, weights, MEANS * width, row)


@kernel
def row_shifts(
    indptr: Array,
    indices: Array,
    embedding: Array,
    weights: Array,
    totals: Array,
    n_genes: int,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write Σ_e w_e (t_j − t_i) / n for each dimension, with t in `totals`."""
    n_dims = embedding.shape[1]
    most = 0
    for i in range(start, stop):
        most = max(most, indptr[i + 1] - indptr[i])
    steps = np.empty((n_dims + 1, most))
    for i in range(start, stop):
        low, high = indptr[i], indptr[i + 1]
        unit_steps(indices[low:high], embedding, i, weights[i], steps)
        for d in range(n_dims):
            total = 0.0
            for e in range(low, high):
                total += steps[d, e - low] * (totals[indices[e]] - totals[i])
            out[i, d] = total / n_genes


@kernel
def add_noise_of_projection(
    indptr: Array,
    indices: Array,
    fold: Array,
    embedding: Array,
    weights: Array,
    noise_along: Array,
    chance: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Add the covariance of every arrow that is due to the noise of the counts in M.

    The counts of cell c enter M_i of its fold of cells with the weight k_ic. For each fold,
    Σ_c k_ic k_icᵀ is multiplied by the variance of `noise_along` over the neighbours of i in this
    fold, minus `chance`, which has the shape (folds, rows).
    """
    n_dims, n_cells = embedding.shape[1], indptr.shape[0] - 1
    most = 0
    for i in range(start, stop):
        most = max(most, indptr[i + 1] - indptr[i])
    steps = np.empty((n_dims + 1, most))
    weight = np.zeros((n_cells, n_dims))
    total = np.empty(n_dims)
    squares = np.empty((2, n_dims, n_dims))
    number = np.empty(2)
    mean, spread, inside = np.empty(2), np.empty(2), np.empty(2)
    for i in range(start, stop):
        low, high = indptr[i], indptr[i + 1]
        number[:], mean[:], spread[:], squares[:], total[:] = 0.0, 0.0, 0.0, 0.0, 0.0
        for e in range(low, high):
            number[fold[indices[e]]] += 1.0
            mean[fold[indices[e]]] += noise_along[e]
        for p in range(2):
            mean[p] /= max(number[p], 1.0)
        for e in range(low, high):
            spread[fold[indices[e]]] += (noise_along[e] - mean[fold[indices[e]]]) ** 2
        for p in range(2):
            spread[p] = spread[p] / max(number[p] - 1.0, 1.0) - chance[p, i]
        unit_steps(indices[low:high], embedding, i, weights[i], steps)
        for e in range(low, high + 1):
            j = indices[e] if e < high else i
            second = 0
            for k in range(indptr[j], indptr[j + 1]):
                second += fold[indices[k]]
            inside[0] = 1.0 / max(indptr[j + 1] - indptr[j] - second, 1)
            inside[1] = 1.0 / max(second, 1)
            for d in range(n_dims):
                if e < high:
                    added = steps[d, e - low]
                    total[d] += added
                else:
                    added = -total[d]
                for k in range(indptr[j], indptr[j + 1]):
                    weight[indices[k], d] += added * inside[fold[indices[k]]]
        # each cell is added once: its weight is set to 0 after it was added
        for e in range(low, high + 1):
            j = indices[e] if e < high else i
            for k in range(indptr[j], indptr[j + 1]):
                c = indices[k]
                if weight[c, 0] == 0.0 and weight[c, n_dims - 1] == 0.0:
                    continue
                for d in range(n_dims):
                    for f in range(d + 1):
                        squares[fold[c], d, f] += weight[c, d] * weight[c, f]
                for d in range(n_dims):
                    weight[c, d] = 0.0
        for p in range(2):
            for d in range(n_dims):
                for f in range(d + 1):
                    out[i, d, f] += squares[p, d, f] * spread[p]
                    if f < d:
                        out[i, f, d] += squares[p, d, f] * spread[p]
