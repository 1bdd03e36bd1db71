"""Percentiles over the cells of every gene, and the cells outside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from steadyvelo.model._jit import Array, kernel

_BINS = 1024
# values closer together than this are treated as equal, because their distance cannot be a divisor
_SMALLEST = 1e-300


@kernel
def _bin_of(x: Any, low: Any, scale: Any) -> Any:
    """Return the bin of a value; the first and the last bin also have all values beyond them."""
    return np.uint32(min(max(np.int32((x - low) * scale), np.int32(0)), np.int32(_BINS - 1)))


@kernel
def _count_in_bins(values: Array, low: Any, scale: Any, counts: Array) -> None:
    """Write to `counts` how many values are in each bin.

    `counts` has four rows of bins, and the first gets the result. Four values are counted at a
    time, each in a row of its own: often many are equal, and would wait for each other.
    """
    n = values.shape[0]
    counts[:] = 0
    for i in range(0, n - 3, 4):
        for k in range(4):
            counts[k, _bin_of(values[i + k], low, scale)] += 1
    for i in range(n - n % 4, n):
        counts[0, _bin_of(values[i], low, scale)] += 1
    for b in range(counts.shape[1]):
        counts[0, b] += counts[1, b] + counts[2, b] + counts[3, b]


@kernel
def select(values: Array, k: int, scratch: Array) -> Any:
    """Return the value at place k of the sorted values, counted from 0.

    The range of the values is divided into bins, then the bin that contains the value is divided
    again, until all remaining values are equal. This needs a few passes for any values. `scratch`
    is as long as `values` and overwritten.
    """
    left = values
    counts = np.empty((4, _BINS), dtype=np.int32)
    while True:
        low = high = left[0]
        for x in left:
            low = min(low, x)
            high = max(high, x)
        n_low = 0
        for x in left:
            n_low += x == low
        if k < n_low or high - low < _SMALLEST:
            return low
        scale = _BINS / (high - low)
        _count_in_bins(left, low, scale, counts)
        chosen = np.uint32(0)
        while k >= counts[0, chosen]:
            k -= counts[0, chosen]
            chosen += np.uint32(1)
        n = 0
        for x in left:
            scratch[n] = x
            n += _bin_of(x, low, scale) == chosen
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
def _list_bin(
    values: Array, counts: Array, scale: float, k: int, inside: Array
) -> tuple[Any, int, int]:
    """List the values in the bin that has the value at place k of all sorted values.

    `counts` are the numbers of values in the bins that start at 0. Return the bin,
    the number of its values, and the place of the value among them.
    """
    chosen, left = np.uint32(0), k
    while left >= counts[chosen]:
        left -= counts[chosen]
        chosen += np.uint32(1)
    n = 0
    for x in values:
        # writing every value, to be overwritten unless it counts, is faster than a branch
        inside[n] = x
        n += _bin_of(x, 0.0, scale) == chosen
    return chosen, n, left


@kernel
def _counted_percentile(
    values: Array, counts: Array, scale: float, share: float, scratch: Array
) -> Any:
    """Return :func:`percentile` of values whose numbers in bins are known.

    See :func:`_list_bin`; `scratch` has two rows as long as `values`.
    """
    place = (values.shape[0] - 1) * share
    below = int(np.floor(place))
    part = place - below
    chosen, n, left = _list_bin(values, counts, scale, below, scratch[0])
    inside = scratch[0, :n]
    lower = select(inside, left, scratch[1])
    if part == 0.0:
        return lower
    if left + 1 < n:
        upper = select(inside, left + 1, scratch[1])
    else:
        chosen += np.uint32(1)
        while counts[chosen] == 0:
            chosen += np.uint32(1)
        upper = np.inf
        for x in values:
            if _bin_of(x, 0.0, scale) == chosen:
                upper = min(upper, x)
    step = upper - lower
    return upper - step * (1.0 - part) if part >= 0.5 else lower + step * part


@kernel
def _extremeness(s: Array, u: Array, floor: float, scale: float, z: Array, counts: Array) -> None:
    """Write z = s / max s + u / max u, which is at most 2, and the numbers of values in bins."""
    n = s.shape[0]
    s_most, u_most = s[0], u[0]
    for i in range(n):
        s_most = max(s_most, s[i])
        u_most = max(u_most, u[i])
    s_max, u_max = max(floor, np.float64(s_most)), max(floor, np.float64(u_most))
    for i in range(n):
        z[i] = np.float64(s[i]) / s_max + np.float64(u[i]) / u_max
    _count_in_bins(z, 0.0, scale, counts)


@kernel
def _find_limits(
    s: Array,
    u: Array,
    quantiles: tuple[Array, Array],
    floor: float,
    held: tuple[Array, Array, Array],
    limits: Array,
) -> None:
    """Write z of a gene, and for each pair of quantiles of z the limits of the cells they mark.

    `held` are z, its numbers in bins, and two rows as long as z to be overwritten. A quantile that
    is NaN marks no cells; `floor` is the smallest maximum.
    """
    z, counts, scratch = held
    lows, highs = quantiles
    scale = (_BINS - 1) / 2.0
    _extremeness(s, u, floor, scale, z, counts)
    for p in range(lows.shape[0]):
        limits[p, 0], limits[p, 1] = -np.inf, np.inf
        if not np.isnan(lows[p]):
            limits[p, 0] = _counted_percentile(z, counts[0], scale, lows[p], scratch)
        if p > 0 and highs[p] == highs[p - 1]:
            limits[p, 1] = limits[p - 1, 1]
        elif not np.isnan(highs[p]):
            limits[p, 1] = _counted_percentile(z, counts[0], scale, highs[p], scratch)


@kernel
def _mark_beyond(z: Array, limits: Array, out: Array) -> None:
    low, high = limits[0], limits[1]
    for i in range(z.shape[0]):
        out[i] = (z[i] <= low) | (z[i] >= high)


@kernel
def extreme_cells(
    spliced: Array, unspliced: Array, lows: Array, highs: Array, floor: float, out: Array
) -> None:
    """Mark the cells whose z = s / max s + u / max u is ≤ a low or ≥ a high quantile of z.

    There are several pairs of quantiles, and `out` has the shape (pairs, genes, cells). Rows are
    genes; see :func:`_find_limits`.
    """
    n = spliced.shape[1]
    held = np.empty(n), np.empty((4, _BINS), dtype=np.int32), np.empty((2, n))
    limits = np.empty((lows.shape[0], 2))
    for g in range(spliced.shape[0]):
        _find_limits(spliced[g], unspliced[g], (lows, highs), floor, held, limits)
        for p in range(lows.shape[0]):
            _mark_beyond(held[0], limits[p], out[p, g])


@kernel
def _add_bits(marks: Array, bits: Any, codes: Array) -> None:
    for i in range(marks.shape[0]):
        codes[i] |= bits if marks[i] else np.uint8(0)


@kernel
def mark_upper_end(spliced: Array, chosen: Array, out: Array) -> None:
    """Mark the chosen cells above the middle of their range of spliced values; rows are genes."""
    n = spliced.shape[1]
    for g in range(spliced.shape[0]):
        low, high = np.inf, -np.inf
        for i in range(n):
            if chosen[g, i] > 0:
                low, high = (
                    min(low, np.float64(spliced[g, i])),
                    max(high, np.float64(spliced[g, i])),
                )
        middle = (low + high) / 2
        for i in range(n):
            out[g, i] = chosen[g, i] > 0 and spliced[g, i] >= middle


@kernel
def code_extremes(
    spliced: Array,
    unspliced: Array,
    lows: Array,
    highs: Array,
    floor: float,
    bits: Array,
    codes: Array,
) -> None:
    """Write a code for each cell, whose bits tell which rules mark it, (genes, cells).

    Each pair of quantiles marks cells as in :func:`extreme_cells`; `bits` has the bits to set for
    each pair.
    """
    n = spliced.shape[1]
    held = np.empty(n), np.empty((4, _BINS), dtype=np.int32), np.empty((2, n))
    limits = np.empty((lows.shape[0], 2))
    marks = np.empty(n, dtype=np.bool_)
    for g in range(spliced.shape[0]):
        codes[g] = 0
        _find_limits(spliced[g], unspliced[g], (lows, highs), floor, held, limits)
        for p in range(lows.shape[0]):
            _mark_beyond(held[0], limits[p], marks)
            _add_bits(marks, bits[p], codes[g])
