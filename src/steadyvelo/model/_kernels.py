"""Compiled loops over the cells of a gene. The tests hold a numpy twin of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from steadyvelo._jit import kernel, reordering_kernel

Array = np.ndarray[Any, Any]

_BINS = 1024
# values closer together than this are equal: nothing could be divided by their distance
_SMALLEST = 1e-300


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
def spread_instruments(
    indptr: Array,
    indices: Array,
    values: Array,
    weights: Array,
    receives: Array,
    h: Array,
    h0: Array,
) -> None:
    """Add Σ_i W_ic m_i y_i and Σ_i W_ic m_i to each cell c that receives, for every gene.

    W has equal entries in each row. Rows of `values` (y), `weights` (m), `h` and `h0` are genes; an
    empty `receives` means all cells, and the second sum is left out where `h0` is empty.
    """
    every = receives.shape[0] == 0
    second = h0.shape[1] > 0
    for g in range(values.shape[0]):
        w = weights[min(g, weights.shape[0] - 1)]
        for i in range(values.shape[1]):
            if w[i] == 0:
                continue
            low, high = indptr[i], indptr[i + 1]
            weight = np.float64(w[i]) / max(high - low, 1)
            product = weight * np.float64(values[g, i])
            if every and not second:
                for k in range(low, high):
                    h[g, indices[k]] += product
                continue
            for k in range(low, high):
                c = indices[k]
                if every or receives[c]:
                    h[g, c] += product
                    if second:
                        h0[g, c] += weight


@reordering_kernel
def _plain_sums(spliced: Array, unspliced: Array, h: Array, scales: Array, row: Array) -> None:
    """Write the sums of :func:`instrument_sums` for a line through the origin, in one pass."""
    n = d = aa = ab = bb = floor = h2 = h4 = molecules = 0.0
    for c in range(spliced.shape[0]):
        q, sc, uc = np.float64(h[c]), np.float64(spliced[c]), np.float64(unspliced[c])
        a, b, square = q * uc, q * sc, q * q
        n += a
        d += b
        aa += a * a
        ab += a * b
        bb += b * b
        floor += square * (scales[0, c] * uc + scales[1, c] * sc)
        molecules += square * scales[1, c] * uc
        h2 += square
        h4 += square * square
    row[:] = 0.0
    row[0], row[1], row[2], row[3], row[4] = n, d, aa, ab, bb
    row[5], row[6], row[7] = floor, h2, h4
    row[8] = n * n / molecules if molecules > 0.0 else 0.0
    row[13] = 1.0 if d > 0.0 else 0.0


@reordering_kernel
def instrument_sums(  # noqa: PLR0915 (two passes over the cells of a gene)
    h: Array,
    h0: Array,
    spliced: Array,
    unspliced: Array,
    scales: Array,
    centred: bool,  # noqa: FBT001 (kernels take no keywords)
    out: Array,
) -> None:
    """Write what the errors of a ratio need, for every gene, to a row of `out`.

    With q the instrument (centred where there is an offset), a = q(u − ū) and b = q(s − s̄): Σa, Σb,
    Σa², Σab, Σb², Σq²(d_s u + d_u s), Σq², Σq⁴, the effective number of unspliced molecules, s̄, ū,
    the score of an offset and its variance, and whether there is anything to divide by; where there
    is an offset also, with r = (u − ū) − γ(s − s̄) and h⁰ scaled to sum to 1, Σ(h⁰r)² and
    Σh⁰qr² / Σb. Without instruments of the offset (`h0` is empty) its score is 0.
    """
    second = h0.shape[1] > 0
    for g in range(h.shape[0]):
        s, u, x, x0 = spliced[g], unspliced[g], h[g], h0[g]
        row = out[g]
        if not centred and not second:
            _plain_sums(s, u, x, scales, row)
            continue
        total = total0 = hs = hu = h0s = h0u = huu = 0.0
        for c in range(s.shape[0]):
            hc, h0c = np.float64(x[c]), np.float64(x0[c]) if second else 0.0
            sc, uc = np.float64(s[c]), np.float64(u[c])
            total += hc
            total0 += h0c
            hs += hc * sc
            hu += hc * uc
            h0s += h0c * sc
            h0u += h0c * uc
            huu += hc * hc * scales[1, c] * uc
        there = hs > 0.0 and (total0 > 0.0 or not second)
        lift = total / total0 if centred and there else 0.0
        s_mean = h0s / total0 if centred and there else 0.0
        u_mean = h0u / total0 if centred and there else 0.0
        gamma = hu / hs if there else 0.0
        tilt = h0s / hs if there else 0.0
        n = d = aa = ab = bb = floor = h2 = h4 = score = score_square = 0.0
        xx = xy = yy = qx = qm = qy = 0.0
        for c in range(s.shape[0]):
            hc, h0c = np.float64(x[c]), np.float64(x0[c]) if second else 0.0
            sc, uc = np.float64(s[c]), np.float64(u[c])
            q = hc - lift * h0c
            a, b = q * (uc - u_mean), q * (sc - s_mean)
            n += a
            d += b
            aa += a * a
            ab += a * b
            bb += b * b
            square = q * q
            floor += square * (scales[0, c] * uc + scales[1, c] * sc)
            h2 += square
            h4 += square * square
            if second:
                z = (h0c - tilt * hc) * (uc - gamma * sc)
                score += z
                score_square += z * z
            if centred:
                x1, y1 = h0c * (uc - u_mean), h0c * (sc - s_mean)
                xx += x1 * x1
                xy += x1 * y1
                yy += y1 * y1
                qx += a * x1
                qm += a * y1 + b * x1
                qy += b * y1
        row[0], row[1], row[2], row[3], row[4] = n, d, aa, ab, bb
        row[5], row[6], row[7] = floor, h2, h4
        row[8] = hu * hu / huu if huu > 0.0 else 0.0
        row[9], row[10], row[11], row[12] = s_mean, u_mean, score, score_square
        row[13] = 1.0 if there else 0.0
        row[14] = row[15] = 0.0
        if centred and there and d != 0.0:
            slope = n / d
            row[14] = (xx - 2.0 * slope * xy + slope * slope * yy) / (total0 * total0)
            row[15] = (qx - slope * qm + slope * slope * qy) / (total0 * d)
