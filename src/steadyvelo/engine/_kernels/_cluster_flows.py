"""Steps between clusters, summed over cells without storing transition probabilities."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel

# rows of sums: steps along the velocities, against them, and along all edges alike
_ALONG, _AGAINST, _ALIKE = 0, 1, 2


@kernel
def range_of_row(
    indptr: Array, indices: Array, data: Array, i: int, low: float, high: float, n: int
) -> tuple[float, float, int]:
    """Extend a range of correlations, and a number of edges, by those of a row."""
    for k in range(indptr[i], indptr[i + 1]):
        if indices[k] != i and data[k] != 0.0:
            c = np.float64(data[k])
            low, high, n = min(low, c), max(high, c), n + 1
    return low, high, n


@kernel
def add_row(
    indptr: Array,
    indices: Array,
    data: Array,
    i: int,
    scale: float,
    low: float,
    high: float,
    codes: Array,
    sums: Array,
) -> tuple[float, float]:
    """Add weights exp(λ c), exp(−λ c) and 1 of the edges of a row to the clusters they lead to.

    The largest exponents are subtracted. Edges to cells without a cluster count only in the sums of
    weights, which are returned.
    """
    along = against = 0.0
    for k in range(indptr[i], indptr[i + 1]):
        j = indices[k]
        if j != i and data[k] != 0.0:
            c = np.float64(data[k])
            forward, back = np.exp(scale * (c - high)), np.exp(scale * (low - c))
            along += forward
            against += back
            if codes[j] >= 0:
                sums[_ALONG, codes[j]] += forward
                sums[_AGAINST, codes[j]] += back
                sums[_ALIKE, codes[j]] += 1.0
    return along, against


@kernel
def flows_of_row(
    graph: tuple[Array, Array, Array],
    graph_neg: tuple[Array, Array, Array],
    i: int,
    scale: float,
    codes: Array,
    sums: Array,
) -> bool:
    """Write the shares of a cell's steps that lead to each cluster; False for a cell without edges.

    `sums` has the shape (3, clusters): along the velocities, against them, along all edges alike.
    """
    sums[:] = 0.0
    low, high, n = range_of_row(graph[0], graph[1], graph[2], i, np.inf, -np.inf, 0)
    low, high, n = range_of_row(graph_neg[0], graph_neg[1], graph_neg[2], i, low, high, n)
    if n == 0:
        return False
    along, against = add_row(graph[0], graph[1], graph[2], i, scale, low, high, codes, sums)
    more = add_row(graph_neg[0], graph_neg[1], graph_neg[2], i, scale, low, high, codes, sums)
    sums[_ALONG] /= along + more[0]
    sums[_AGAINST] /= against + more[1]
    sums[_ALIKE] /= n
    return True


@kernel
def add_flows(
    graph: tuple[Array, Array, Array],
    graph_neg: tuple[Array, Array, Array],
    scale: float,
    codes: Array,
    flows: Array,
    cells: Array,
    start: int,
    stop: int,
) -> None:
    """Add the steps of some cells to `flows`, (3, clusters, clusters), from row to column.

    The numbers of cells with edges are added to `cells`. Cells with the code −1 are left out.
    """
    sums = np.empty((3, flows.shape[2]))
    for i in range(start, stop):
        own = codes[i]
        if own >= 0 and flows_of_row(graph, graph_neg, i, scale, codes, sums):
            cells[own] += 1
            for kind in range(3):
                for b in range(flows.shape[2]):
                    flows[kind, own, b] += sums[kind, b]


@kernel
def write_flows(
    graph: tuple[Array, Array, Array],
    graph_neg: tuple[Array, Array, Array],
    scale: float,
    codes: Array,
    chosen: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write the steps of some chosen cells into cells with the code 0, shape (chosen, 3)."""
    sums = np.empty((3, 1))
    for p in range(start, stop):
        flows_of_row(graph, graph_neg, chosen[p], scale, codes, sums)
        for kind in range(3):
            out[p, kind] = sums[kind, 0]
