"""Arrows on an embedding: steps along edges, contributions of neighbours, their covariance."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel, reordering_kernel


@reordering_kernel
def add_edge_steps(
    indptr: Array, indices: Array, values: Array, sums: Array, squares: Array, start: int, stop: int
) -> None:
    """Add Σ_g (x_jg − x_ig) and Σ_g (x_jg − x_ig)² over a block's genes to each edge."""
    for i in range(start, stop):
        own = values[i]
        for e in range(indptr[i], indptr[i + 1]):
            other = values[indices[e]]
            total = square = np.float32(0.0)
            for g in range(values.shape[1]):
                step = other[g] - own[g]
                total += step
                square += step * step
            sums[e] += total
            squares[e] += square


@kernel
def projection_rows(
    indptr: Array,
    indices: Array,
    steps: Array,
    shifts: Array,
    values: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write M_ig = Σ_e w_e (x_jg − x_ig) − b_i for each dimension of the embedding.

    `steps` (w) has one row per edge and `shifts` (b) one row per cell; `out` has the shape (cells,
    dimensions, genes).
    """
    n_dims = steps.shape[1]
    for i in range(start, stop):
        own = values[i]
        for d in range(n_dims):
            row = out[i, d]
            total = np.float32(0.0)
            for g in range(values.shape[1]):
                row[g] = np.float32(0.0)
            for e in range(indptr[i], indptr[i + 1]):
                other, weight = values[indices[e]], steps[e, d]
                total += weight
                for g in range(values.shape[1]):
                    row[g] += weight * other[g]
            for g in range(values.shape[1]):
                row[g] -= total * own[g] + shifts[i, d]


@reordering_kernel
def add_contributions(
    indptr: Array,
    indices: Array,
    contributing: Array,
    projection: Array,
    deviations: Array,
    contributions: Array,
    start: int,
    stop: int,
) -> None:
    """Add M_i·r_c over the genes of a block to the edges (i, c) whose cell c contributes."""
    n_dims = contributions.shape[1]
    for i in range(start, stop):
        for e in range(indptr[i], indptr[i + 1]):
            c = indices[e]
            if not contributing[c]:
                continue
            own = deviations[c]
            for d in range(n_dims):
                row = projection[i, d]
                total = np.float32(0.0)
                for g in range(own.shape[0]):
                    total += row[g] * own[g]
                contributions[e, d] += total


@kernel
def projection_weights(
    indptr: Array,
    indices: Array,
    steps: Array,
    mean_indptr: Array,
    mean_indices: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write Σ_c k_ic k_icᵀ, where k_ic is the weight of the counts of cell c in M_i.

    M_i = Σ_e w_e (x_j − x_i) with `steps` (w); x are means over the neighbours in the second
    pattern.
    """
    n_dims, n_cells = steps.shape[1], indptr.shape[0] - 1
    weight = np.zeros((n_cells, n_dims))
    total = np.empty(n_dims)
    for i in range(start, stop):
        for d in range(n_dims):
            total[d] = 0.0
            for f in range(n_dims):
                out[i, d, f] = 0.0
        for e in range(indptr[i], indptr[i + 1]):
            low, high = mean_indptr[indices[e]], mean_indptr[indices[e] + 1]
            for d in range(n_dims):
                total[d] += steps[e, d]
                for k in range(low, high):
                    weight[mean_indices[k], d] += steps[e, d] / (high - low)
        low, high = mean_indptr[i], mean_indptr[i + 1]
        for k in range(low, high):
            for d in range(n_dims):
                weight[mean_indices[k], d] -= total[d] / (high - low)
        # each cell is added once: its weight is set to 0 after it was added
        for e in range(indptr[i], indptr[i + 1] + 1):
            j = indices[e] if e < indptr[i + 1] else i
            for k in range(mean_indptr[j], mean_indptr[j + 1]):
                c = mean_indices[k]
                for d in range(n_dims):
                    for f in range(d + 1):
                        out[i, d, f] += weight[c, d] * weight[c, f]
                for d in range(n_dims):
                    weight[c, d] = 0.0
        for d in range(n_dims):
            for f in range(d):
                out[i, f, d] = out[i, d, f]


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

    `indptr` has one row per graph, with places in `indices` and `contributions`. Contributions have
    the sign of their cell and are centred within each graph. The contributions of one cell in
    several graphs are summed, because they come from the same counts. The number of contributions
    is the number of cells, each weighted by the number of graphs in which it occurs, (Σw)² / Σw².
    """
    n_graphs, n_dims = indptr.shape[0], contributions.shape[1]
    n_cells = indptr.shape[1] - 1
    kept, times = np.zeros((n_cells, n_dims)), np.zeros(n_cells)
    mean = np.empty(n_dims)
    for i in range(start, stop):
        for d in range(n_dims):
            arrows[i, d] = 0.0
            for f in range(n_dims):
                covariances[i, d, f] = 0.0
        total = 0
        for p in range(n_graphs):
            low, high = indptr[p, i], indptr[p, i + 1]
            if low == high:
                continue
            total += high - low
            for d in range(n_dims):
                mean[d] = 0.0
                for e in range(low, high):
                    mean[d] += signs[indices[e]] * contributions[e, d]
                mean[d] /= high - low
                arrows[i, d] += mean[d]
            for e in range(low, high):
                c = indices[e]
                times[c] += 1.0
                for d in range(n_dims):
                    kept[c, d] += (signs[c] * contributions[e, d] - mean[d]) / (high - low)
        square = 0.0
        for p in range(n_graphs):
            for e in range(indptr[p, i], indptr[p, i + 1]):
                c = indices[e]
                square += times[c] * times[c]
                times[c] = 0.0
                for d in range(n_dims):
                    for f in range(d + 1):
                        covariances[i, d, f] += kept[c, d] * kept[c, f]
                for d in range(n_dims):
                    kept[c, d] = 0.0
        n_contributions[i] = total * total / square if total > 0 else 0.0
        # mean number of contributions in a graph; centring reduces the degrees of freedom by one
        usual = total / n_graphs
        factor = usual / (usual - 1.0) if usual > 1.0 else np.nan
        for d in range(n_dims):
            for f in range(d + 1):
                covariances[i, d, f] *= factor
                covariances[i, f, d] = covariances[i, d, f]
