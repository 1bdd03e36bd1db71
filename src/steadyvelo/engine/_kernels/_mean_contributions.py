"""Means of contributions to arrows, and their covariances.

Neighbours are listed by rank, so that sums over them do not depend on the order of the cells.
"""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def mean_contributions(
    indptr: Array,
    indices: Array,
    contributions: Array,
    signs: Array,
    arrows: Array,
    covariances: Array,
    n_contributions: Array,
) -> None:
    """Compute the mean contribution of the neighbours of some rows and its covariance, over graphs.

    `indptr` has the edges of these rows in each graph, with places in `indices` and
    `contributions`; `signs` has the shape (all rows, sets), and results have the shape (these rows,
    dimensions, sets) and (these rows, dimensions, dimensions, sets). Contributions have the sign of
    their cell and are centred within each graph. The contributions of one cell in several graphs
    are summed, because they come from the same counts. The number of contributions is the number of
    cells, each weighted by the number of graphs in which it occurs, (Σw)² / Σw².
    """
    n_graphs, n_dims, n_sets = indptr.shape[0], contributions.shape[1], signs.shape[1]
    n_rows = indptr.shape[1] - 1
    most = 0
    for i in range(n_rows):
        here = 0
        for p in range(n_graphs):
            here += indptr[p, i + 1] - indptr[p, i]
        most = max(most, here)
    # the number of each cell among those that contribute to a row, from 1
    number = np.zeros(signs.shape[0], dtype=np.int32)
    times = np.empty(most)
    kept = np.empty((most, n_dims, n_sets))
    mean = np.empty((n_dims, n_sets))
    for i in range(n_rows):
        n_distinct = total = 0
        for d in range(n_dims):
            arrows[i, d, :] = 0.0
            for f in range(n_dims):
                covariances[i, d, f, :] = 0.0
        for p in range(n_graphs):
            low, high = indptr[p, i], indptr[p, i + 1]
            if low == high:
                continue
            share = 1.0 / (high - low)
            mean[:] = 0.0
            for e in range(low, high):
                c = indices[e]
                if number[c] == 0:
                    times[n_distinct] = 0.0
                    kept[n_distinct] = 0.0
                    n_distinct += 1
                    number[c] = n_distinct
                times[number[c] - 1] += 1.0
                total += 1
                for d in range(n_dims):
                    _add_signed(share * contributions[e, d], signs[c], mean[d])
            for d in range(n_dims):
                arrow, centre = arrows[i, d], mean[d]
                for s in range(n_sets):
                    arrow[s] += centre[s]
            for e in range(low, high):
                c = indices[e]
                for d in range(n_dims):
                    row, centre = kept[number[c] - 1, d], mean[d]
                    _add_signed(share * contributions[e, d], signs[c], row)
                    for s in range(n_sets):
                        row[s] -= share * centre[s]
        square = 0.0
        for k in range(n_distinct):
            square += times[k] * times[k]
            for d in range(n_dims):
                for f in range(d + 1):
                    x, y, product = kept[k, d], kept[k, f], covariances[i, d, f]
                    for s in range(n_sets):
                        product[s] += x[s] * y[s]
        n_contributions[i] = total * total / square if total > 0 else 0.0
        # mean number of contributions in a graph; centring reduces the degrees of freedom by one
        usual = total / n_graphs
        factor = usual / (usual - 1.0) if usual > 1.0 else np.nan
        for d in range(n_dims):
            for f in range(d + 1):
                for s in range(n_sets):
                    covariances[i, d, f, s] *= factor
                    covariances[i, f, d, s] = covariances[i, d, f, s]
        for p in range(n_graphs):
            for e in range(indptr[p, i], indptr[p, i + 1]):
                number[indices[e]] = 0


@kernel
def _add_signed(value: float, signs: Array, out: Array) -> None:
    for s in range(signs.shape[0]):
        out[s] += value * signs[s]
