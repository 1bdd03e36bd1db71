"""Sums over the extreme cells of every gene."""

from __future__ import annotations

from steadyvelo.model._jit import Array, kernel


@kernel
def weights_by_cluster(weights: Array, chosen: Array, clusters: Array, out: Array) -> None:
    """Add the weights of the chosen cells of every gene to their clusters; −1 is the last one."""
    for g in range(weights.shape[0]):
        for i in range(weights.shape[1]):
            if chosen[g, i]:
                out[g, clusters[i]] += weights[g, i]
