"""Means of contributions to arrows, and their covariances, for many sets of signs of the cells.

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

    With the signs ε of cells c, the sum a_c of a cell's contributions, each divided by the number
    of neighbours in its graph, and the means m_p of graphs p with k_p neighbours, the covariance is
    that of ε_c a_c − Σ_p m_p / k_p, where p are the graphs in which c is a neighbour. It is

        Σ_c a_c a_cᵀ − Σ_p (A_p m_pᵀ + m_p A_pᵀ) / k_p + Σ_pq n_pq m_p m_qᵀ / (k_p k_q)

    where A_p is the sum of ε_c a_c over the neighbours in graph p, and n_pq the number of cells
    that are neighbours in both graphs. So only m_p and A_p are sums over neighbours with signs.
    """
    n_graphs, n_dims, n_sets = indptr.shape[0], contributions.shape[1], signs.shape[1]
    most = 0
    for i in range(indptr.shape[1] - 1):
        here = 0
        for p in range(n_graphs):
            here += indptr[p, i + 1] - indptr[p, i]
        most = max(most, here)
    # the number of each cell among those that contribute to a row, from 1
    number = np.zeros(signs.shape[0], dtype=np.int32)
    times = np.empty(most)
    summed = np.empty((most, n_dims))
    inside = np.empty((most, n_graphs))
    both = np.empty((n_graphs, n_graphs))
    share = np.empty(n_graphs)
    mean = np.empty((n_graphs, n_dims, n_sets))
    along = np.empty((n_graphs, n_dims, n_sets))
    room = np.empty((n_dims, n_sets))
    for i in range(indptr.shape[1] - 1):
        ends = indptr[:, i : i + 2]
        edges = ends, indices, contributions
        n_distinct, total = _sum_by_cell(edges, number, times, summed, inside, both, share)
        square = 0.0
        for k in range(n_distinct):
            square += times[k] * times[k]
        n_contributions[i] = total * total / square if total > 0 else 0.0
        for p in range(n_graphs):
            mean[p] = 0.0
            along[p] = 0.0
            for e in range(ends[p, 0], ends[p, 1]):
                c = indices[e]
                for d in range(n_dims):
                    one, other = share[p] * contributions[e, d], summed[number[c] - 1, d]
                    _add_signed(one, other, signs[c], mean[p, d], along[p, d])
        for d in range(n_dims):
            arrows[i, d, :] = 0.0
            for p in range(n_graphs):
                _add(1.0, mean[p, d], arrows[i, d])
        _write_covariance(summed[:n_distinct], both, share, mean, along, room, covariances[i])
        # mean number of contributions in a graph; centring reduces the degrees of freedom by one
        usual = total / n_graphs
        factor = usual / (usual - 1.0) if usual > 1.0 else np.nan
        for d in range(n_dims):
            for f in range(d + 1):
                for s in range(n_sets):
                    covariances[i, d, f, s] *= factor
                    covariances[i, f, d, s] = covariances[i, d, f, s]
        for p in range(n_graphs):
            for e in range(ends[p, 0], ends[p, 1]):
                number[indices[e]] = 0


@kernel
def _sum_by_cell(
    edges: tuple[Array, Array, Array],
    number: Array,
    times: Array,
    summed: Array,
    inside: Array,
    both: Array,
    share: Array,
) -> tuple[int, int]:
    """Give a number to each cell that contributes to a row, and sum over its graphs.

    `times` are the numbers of graphs, `summed` the sums a, `inside` marks the graphs of a cell,
    `both` counts the cells in two graphs (of which only the lower triangle is set), and `share` is
    one over the number of neighbours. Returns the number of cells and that of contributions.
    """
    ends, indices, contributions = edges
    n_distinct = total = 0
    both[:] = 0.0
    for p in range(ends.shape[0]):
        low, high = ends[p, 0], ends[p, 1]
        share[p] = 1.0 / max(high - low, 1)
        for e in range(low, high):
            c = indices[e]
            if number[c] == 0:
                times[n_distinct] = 0.0
                summed[n_distinct] = 0.0
                inside[n_distinct] = 0.0
                n_distinct += 1
                number[c] = n_distinct
            k = number[c] - 1
            times[k] += 1.0
            inside[k, p] += 1.0
            for q in range(p + 1):
                both[p, q] += inside[k, q]
            total += 1
            for d in range(summed.shape[1]):
                summed[k, d] += share[p] * contributions[e, d]
    return n_distinct, total


@kernel
def _write_covariance(
    summed: Array, both: Array, share: Array, mean: Array, along: Array, room: Array, out: Array
) -> None:
    """Write the lower triangle of the covariance, (dimensions, dimensions, sets).

    `mean` and `along` are the m_p and A_p of every graph, (graphs, dimensions, sets).
    """
    n_graphs, n_dims = mean.shape[:2]
    for d in range(n_dims):
        for f in range(d + 1):
            fixed = 0.0
            for k in range(summed.shape[0]):
                fixed += summed[k, d] * summed[k, f]
            out[d, f, :] = fixed
    for p in range(n_graphs):
        room[:] = 0.0
        for q in range(n_graphs):
            weight = share[p] * share[q] * both[max(p, q), min(p, q)]
            if weight != 0.0:
                for d in range(n_dims):
                    _add(weight, mean[q, d], room[d])
        for d in range(n_dims):
            for f in range(d + 1):
                _add_product(1.0, mean[p, d], room[f], out[d, f])
                _add_product(-share[p], mean[p, d], along[p, f], out[d, f])
                _add_product(-share[p], along[p, d], mean[p, f], out[d, f])


@kernel
def _add_signed(one: float, other: float, signs: Array, first: Array, second: Array) -> None:
    """Add one value with every sign to the first array, and the other to the second."""
    for s in range(signs.shape[0]):
        sign = np.float64(signs[s])
        first[s] += one * sign
        second[s] += other * sign


@kernel
def _add(factor: float, values: Array, out: Array) -> None:
    for s in range(out.shape[0]):
        out[s] += factor * values[s]


@kernel
def _add_product(factor: float, x: Array, y: Array, out: Array) -> None:
    for s in range(out.shape[0]):
        out[s] += factor * x[s] * y[s]
