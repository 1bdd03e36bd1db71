"""Weighted sums over the cells of every gene."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, reordering_kernel


@reordering_kernel
def weighted_sums(spliced: Array, unspliced: Array, weights: Array, out: Array) -> None:
    """Write n, s̄, ū, Σw(s − s̄), Σw(u − ū), C_ss, C_su and C_uu of every gene to its row of `out`.

    Rows are genes; `weights` may have one row for all genes. The two sums after the means are the
    rounding errors of the means, computed in the second of two passes.
    """
    for g in range(spliced.shape[0]):
        s, u = spliced[g], unspliced[g]
        w = weights[min(g, weights.shape[0] - 1)]
        total = s_total = u_total = 0.0
        for i in range(s.shape[0]):
            weight = np.float64(w[i])
            total += weight
            s_total += weight * np.float64(s[i])
            u_total += weight * np.float64(u[i])
        divisor = total if total > 0 else 1.0
        s_mean, u_mean = s_total / divisor, u_total / divisor
        s_left = u_left = ss = su = uu = 0.0
        for i in range(s.shape[0]):
            weight = np.float64(w[i])
            ds, du = np.float64(s[i]) - s_mean, np.float64(u[i]) - u_mean
            s_left += weight * ds
            u_left += weight * du
            ss += weight * ds * ds
            su += weight * ds * du
            uu += weight * du * du
        row = out[g]
        row[0], row[1], row[2] = total, s_mean, u_mean
        row[3], row[4] = s_left, u_left
        row[5], row[6], row[7] = ss, su, uu


@reordering_kernel
def dispersion_sums(
    counts: Array, means: Array, scale: Array, n_neighbors: Array, left: Array, square: Array
) -> None:
    """Write the numerator and the denominator of the overdispersion of every gene."""
    for g in range(counts.shape[0]):
        above = below = 0.0
        for c in range(counts.shape[1]):
            if n_neighbors[c] > 0:
                x, a = np.float64(counts[g, c]), np.float64(means[g, c])
                factor = 1.0 + 1.0 / n_neighbors[c]
                above += (x - a) * (x - a) - scale[c] * a * factor
                below += x * a * factor
        left[g], square[g] = above, below
