"""Sums over the extreme cells of every gene, and means without the cell itself."""

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
def leave_out_own(means: Array, counts: Array, degrees: Array) -> None:
    """Turn means over neighbours and the cell itself into those over the neighbours alone."""
    for g in range(means.shape[0]):
        for c in range(means.shape[1]):
            total = degrees[c] * np.float64(means[g, c]) - counts[g, c]
            means[g, c] = max(total, 0.0) / max(degrees[c] - 1.0, 1.0)
