"""Products of the influences of cells on the ratios of groups."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def add_influence_products(
    h: tuple[Array, ...],
    h0: tuple[Array, ...],
    spliced: Array,
    unspliced: Array,
    scales: Array,
    lines: Array,
    products: Array,
    poisson: Array,
    start: int,
    stop: int,
) -> None:
    """Add, for each pair of groups, the products of some cells' influences on their ratios.

    `lines` has the shape (groups, 5, genes), with Σh/Σh⁰, s̄ and ū (0 without an offset), γ, and
    1 / Σqs. Results have the shape (groups, groups, genes): products of influences, and products of
    the weights of counts in the ratios times the variance of Poisson counts per unit of the ratio.
    Only pairs with the first group not after the second are set. `h0` may have no columns.
    """
    n_groups, n_genes = lines.shape[0], spliced.shape[1]
    moved = np.empty((n_groups, n_genes))
    weight = np.empty((n_groups, n_genes))
    for c in range(start, stop):
        s, u = spliced[c], unspliced[c]
        by_u, by_s = scales[c, 0], scales[c, 1]
        for k in range(n_groups):
            share, s_mean, u_mean = lines[k, 0], lines[k, 1], lines[k, 2]
            gamma, inverse = lines[k, 3], lines[k, 4]
            row, q, e = h[k][c], weight[k], moved[k]
            for g in range(n_genes):
                q[g] = np.float64(row[g])
            if h0[k].shape[1] > 0:
                row0 = h0[k][c]
                for g in range(n_genes):
                    q[g] -= share[g] * np.float64(row0[g])
            for g in range(n_genes):
                q[g] *= inverse[g]
                left = (np.float64(u[g]) - u_mean[g]) - gamma[g] * (np.float64(s[g]) - s_mean[g])
                e[g] = q[g] * left
        for k in range(n_groups):
            for m in range(k, n_groups):
                a, b, x, y = moved[k], moved[m], weight[k], weight[m]
                product, variance = products[k, m], poisson[k, m]
                for g in range(n_genes):
                    product[g] += a[g] * b[g]
                    unit = by_u * np.float64(u[g]) + by_s * np.float64(s[g])
                    variance[g] += x[g] * y[g] * unit
