"""Correlations between weights of edges and cosines of their displacements to an arrow."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def add_edges(
    indptr: Array,
    indices: Array,
    data: Array,
    i: int,
    embedding: Array,
    unit: Array,
    sums: Array,
) -> None:
    """Add 1, c, c², a, a² and c·a over the edges of cell i: weights c and cosines a.

    Entries on the diagonal, entries of 0, and edges between cells with the same coordinates are
    left out. `unit` is the arrow of the cell divided by its length.
    """
    for k in range(indptr[i], indptr[i + 1]):
        j, c = indices[k], np.float64(data[k])
        if j == i or c == 0.0:
            continue
        along, square = 0.0, 0.0
        for d in range(unit.shape[0]):
            step = embedding[j, d] - embedding[i, d]
            along += unit[d] * step
            square += step * step
        if square > 0.0:
            cosine = along / np.sqrt(square)
            sums[0] += 1.0
            sums[1] += c
            sums[2] += c * c
            sums[3] += cosine
            sums[4] += cosine * cosine
            sums[5] += c * cosine


@kernel
def fidelity_rows(
    graph: tuple[Array, Array, Array],
    graph_neg: tuple[Array, Array, Array],
    embedding: Array,
    arrows: Array,
    out: Array,
    edges: Array,
    start: int,
    stop: int,
) -> None:
    """Write the correlation of c and a over the edges of each cell, and the number of edges.

    NaN with fewer than three edges, without an arrow, or if c or a is constant up to rounding.
    """
    n_dims = embedding.shape[1]
    unit, sums = np.empty(n_dims), np.empty(6)
    for i in range(start, stop):
        length = 0.0
        for d in range(n_dims):
            length += arrows[i, d] * arrows[i, d]
        out[i], edges[i] = np.nan, 0
        # NaN is not above 0
        if not length > 0.0:
            continue
        for d in range(n_dims):
            unit[d] = arrows[i, d] / np.sqrt(length)
        sums[:] = 0.0
        add_edges(graph[0], graph[1], graph[2], i, embedding, unit, sums)
        add_edges(graph_neg[0], graph_neg[1], graph_neg[2], i, embedding, unit, sums)
        n = sums[0]
        edges[i] = np.int64(n)
        if n < 3.0:
            continue
        of_weights = sums[2] - sums[1] * sums[1] / n
        of_cosines = sums[4] - sums[3] * sums[3] / n
        if of_weights > 1e-12 * sums[2] and of_cosines > 1e-12 * sums[4]:
            both = sums[5] - sums[1] * sums[3] / n
            out[i] = both / np.sqrt(of_weights * of_cosines)
