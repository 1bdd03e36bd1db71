"""Sums over the cells of every gene by cluster, and means without the cell itself."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def weights_by_cluster(weights: Array, chosen: Array, clusters: Array, out: Array) -> None:
    """Add the weights of the chosen cells of every gene to their clusters; −1 is the last one."""
    for g in range(weights.shape[0]):
        for i in range(weights.shape[1]):
            if chosen[g, i]:
                out[g, clusters[i]] += weights[g, i]


@kernel
def sums_by_cluster(
    spliced: Array,
    unspliced: Array,
    gamma: Array,
    offset: Array,
    clusters: Array,
    places: Array,
    out: Array,
) -> None:
    """Add Σs, Σs², Σv, Σv² and Σxs of every gene over the cells of each cluster, v = u − γs − o.

    `places` x has the shape (cells, dimensions); cells with a negative cluster are left out.
    """
    n_dims = places.shape[1]
    for g in range(spliced.shape[0]):
        for i in range(spliced.shape[1]):
            k = clusters[i]
            if k >= 0:
                s = np.float64(spliced[g, i])
                v = np.float64(unspliced[g, i]) - gamma[g] * s - offset[g]
                row = out[g, k]
                row[0] += s
                row[1] += s * s
                row[2] += v
                row[3] += v * v
                for d in range(n_dims):
                    row[4 + d] += places[i, d] * s


@kernel
def leave_out_own(means: Array, counts: Array, degrees: Array) -> None:
    """Turn means over neighbours and the cell itself into those over the neighbours alone."""
    for g in range(means.shape[0]):
        for c in range(means.shape[1]):
            total = degrees[c] * np.float64(means[g, c]) - counts[g, c]
            means[g, c] = max(total, 0.0) / max(degrees[c] - 1.0, 1.0)
