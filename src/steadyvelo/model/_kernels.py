"""Compiled loops over the cells of a gene. The tests hold a numpy twin of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from steadyvelo.model._jit import kernel, reordering_kernel

Array = np.ndarray[Any, Any]

_BINS = 1024
# values closer together than this are equal: nothing could be divided by their distance
_SMALLEST = 1e-300
# genes whose sums over cells stand in one row
_STRIDE = 32


@reordering_kernel
def weighted_sums(spliced: Array, unspliced: Array, weights: Array, out: Array) -> None:
    """Write n, s̄, ū, Σw(s − s̄), Σw(u − ū), C_ss, C_su and C_uu of every gene to its row of `out`.

    Rows are genes; `weights` may have one row for all. Means are rounded, and the two sums
    after them are what their rounding leaves over (of two passes, the second).
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


@kernel
def select(values: Array, k: int, scratch: Array) -> Any:
    """Return the value that has k smaller or equal ones before it when sorted.

    The range of values is cut into bins, and the bin that holds the k-th again, until what is
    left are equal values: a few passes whatever the values are. `scratch` is as long as
    `values` and overwritten.
    """
    left = values
    counts = np.empty(_BINS, dtype=np.int64)
    while True:
        low = high = left[0]
        for x in left:
            low = min(low, x)
            high = max(high, x)
        if high - low < _SMALLEST:
            return low
        scale = _BINS / (high - low)
        counts[:] = 0
        for x in left:
            counts[min(int((x - low) * scale), _BINS - 1)] += 1
        chosen = 0
        while k >= counts[chosen]:
            k -= counts[chosen]
            chosen += 1
        n = 0
        for x in left:
            if min(int((x - low) * scale), _BINS - 1) == chosen:
                scratch[n] = x
                n += 1
        left = scratch[:n]


@kernel
def percentile(values: Array, share: float, scratch: Array) -> Any:
    """Return the percentile 100·share of finite values, linearly interpolated as numpy does."""
    n = values.shape[0]
    place = (n - 1) * share
    below = int(np.floor(place))
    lower = select(values, below, scratch)
    part = place - below
    if part == 0.0:
        return lower
    n_lower = 0
    upper = np.inf
    for x in values:
        if x <= lower:
            n_lower += 1
        else:
            upper = min(upper, x)
    if n_lower > below + 1:
        upper = lower
    step = upper - lower
    return upper - step * (1.0 - part) if part >= 0.5 else lower + step * part


@kernel
def row_percentiles(values: Array, shares: Array, out: Array) -> None:
    """Write the percentiles of every row to a row of `out`."""
    scratch = np.empty(values.shape[1])
    for g in range(values.shape[0]):
        for q in range(shares.shape[0]):
            out[g, q] = percentile(values[g], shares[q], scratch)


@kernel
def extreme_cells(
    spliced: Array, unspliced: Array, low: float, high: float, floor: float, out: Array
) -> None:
    """Mark the cells whose z = s / max s + u / max u is ≤ its low or ≥ its high quantile.

    Rows are genes. A quantile that is NaN marks no cell; `floor` is the smallest maximum.
    """
    n = spliced.shape[1]
    z, scratch = np.empty((2, n))
    for g in range(spliced.shape[0]):
        s_max = u_max = floor
        for i in range(n):
            s_max = max(s_max, np.float64(spliced[g, i]))
            u_max = max(u_max, np.float64(unspliced[g, i]))
        for i in range(n):
            z[i] = np.float64(spliced[g, i]) / s_max + np.float64(unspliced[g, i]) / u_max
        least = -np.inf if np.isnan(low) else percentile(z, low, scratch)
        most = np.inf if np.isnan(high) else percentile(z, high, scratch)
        for i in range(n):
            out[g, i] = z[i] <= least or z[i] >= most


@kernel
def _add_plain(s: Array, u: Array, h: Array, scales: Array, sums: Array) -> None:
    """Add a cell to the sums for lines through the origin; the ninth is Σh²d_u u.

    Sums of a gene lie _STRIDE apart in one array: a compiler sees that they do not overlap.
    """
    ds, du = scales[0], scales[1]
    for g in range(h.shape[0]):
        q, sc, uc = np.float64(h[g]), np.float64(s[g]), np.float64(u[g])
        a, b, square = q * uc, q * sc, q * q
        sums[g] += a
        sums[_STRIDE + g] += b
        sums[2 * _STRIDE + g] += a * a
        sums[3 * _STRIDE + g] += a * b
        sums[4 * _STRIDE + g] += b * b
        sums[5 * _STRIDE + g] += square * (ds * uc + du * sc)
        sums[6 * _STRIDE + g] += square
        sums[7 * _STRIDE + g] += square * square
        sums[8 * _STRIDE + g] += square * du * uc


@kernel
def _add_means(s: Array, u: Array, h: Array, h0: Array, scales: Array, sums: Array) -> None:
    """Add a cell to Σh, Σh⁰, Σhs, Σhu, Σh⁰s, Σh⁰u and Σh²d_u u."""
    du = scales[1]
    for g in range(h.shape[0]):
        hc, h0c = np.float64(h[g]), np.float64(h0[g])
        sc, uc = np.float64(s[g]), np.float64(u[g])
        sums[g] += hc
        sums[_STRIDE + g] += h0c
        sums[2 * _STRIDE + g] += hc * sc
        sums[3 * _STRIDE + g] += hc * uc
        sums[4 * _STRIDE + g] += h0c * sc
        sums[5 * _STRIDE + g] += h0c * uc
        sums[6 * _STRIDE + g] += hc * hc * du * uc


@kernel
def _add_scores(
    s: Array, u: Array, h: Array, h0: Array, scales: Array, lines: Array, sums: Array
) -> None:
    """Add a cell to the sums for lines with an offset, to its score, and to six sums of h⁰.

    `lines` holds, _STRIDE apart, Σh/Σh⁰, s̄ and ū (0 where there is no offset), γ, and Σh⁰s/Σhs.
    """
    ds, du = scales[0], scales[1]
    for g in range(h.shape[0]):
        hc, h0c = np.float64(h[g]), np.float64(h0[g])
        sc, uc = np.float64(s[g]), np.float64(u[g])
        q = hc - lines[g] * h0c
        s_left, u_left = sc - lines[_STRIDE + g], uc - lines[2 * _STRIDE + g]
        a, b, square = q * u_left, q * s_left, q * q
        z = (h0c - lines[4 * _STRIDE + g] * hc) * (uc - lines[3 * _STRIDE + g] * sc)
        x, y = h0c * u_left, h0c * s_left
        sums[g] += a
        sums[_STRIDE + g] += b
        sums[2 * _STRIDE + g] += a * a
        sums[3 * _STRIDE + g] += a * b
        sums[4 * _STRIDE + g] += b * b
        sums[5 * _STRIDE + g] += square * (ds * uc + du * sc)
        sums[6 * _STRIDE + g] += square
        sums[7 * _STRIDE + g] += square * square
        sums[8 * _STRIDE + g] += z
        sums[9 * _STRIDE + g] += z * z
        sums[10 * _STRIDE + g] += x * x
        sums[11 * _STRIDE + g] += x * y
        sums[12 * _STRIDE + g] += y * y
        sums[13 * _STRIDE + g] += a * x
        sums[14 * _STRIDE + g] += a * y + b * x
        sums[15 * _STRIDE + g] += b * y


@kernel
def instrument_means(
    h: Array,
    h0: Array,
    spliced: Array,
    unspliced: Array,
    scales: Array,
    start: int,
    stop: int,
    sums: Array,
) -> None:
    """Add seven sums over some cells, as :func:`_add_means` names them, for every gene.

    Rows of the four matrices are cells, their columns genes (`h0` may have none); `scales` has a
    row for every cell. `sums` has a row for every _STRIDE genes.
    """
    n_genes = h.shape[1]
    none = np.zeros(_STRIDE, dtype=h0.dtype)
    for c in range(start, stop):
        for low in range(0, n_genes, _STRIDE):
            high = min(low + _STRIDE, n_genes)
            s, u, x = spliced[c, low:high], unspliced[c, low:high], h[c, low:high]
            x0 = h0[c, low:high] if h0.shape[1] > 0 else none
            _add_means(s, u, x, x0, scales[c], sums[low // _STRIDE])


@kernel
def instrument_scores(
    h: Array,
    h0: Array,
    spliced: Array,
    unspliced: Array,
    scales: Array,
    start: int,
    stop: int,
    lines: Array,
    sums: Array,
) -> None:
    """Add 16 sums over some cells, as :func:`_add_scores` names them, for every gene.

    Arguments are those of :func:`instrument_means`, and what the means say in `lines`. Without
    `lines` (no rows) they are those of :func:`_add_plain`.
    """
    n_genes = h.shape[1]
    none = np.zeros(_STRIDE, dtype=h0.dtype)
    for c in range(start, stop):
        for low in range(0, n_genes, _STRIDE):
            high = min(low + _STRIDE, n_genes)
            s, u, x = spliced[c, low:high], unspliced[c, low:high], h[c, low:high]
            part = low // _STRIDE
            if lines.shape[0] == 0:
                _add_plain(s, u, x, scales[c], sums[part])
            else:
                x0 = h0[c, low:high] if h0.shape[1] > 0 else none
                _add_scores(s, u, x, x0, scales[c], lines[part], sums[part])
