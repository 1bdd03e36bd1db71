"""Percentiles over the cells of every gene, and the cells outside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from steadyvelo.model._jit import Array, kernel

_BINS = 1024
# values closer together than this are treated as equal, because their distance cannot be a divisor
_SMALLEST = 1e-300


@kernel
def select(values: Array, k: int, scratch: Array) -> Any:
    """Return the value at place k of the sorted values, counted from 0.

    The range of the values is divided into bins, then the bin that contains the value is divided
    again, until all remaining values are equal. This needs a few passes for any values. `scratch`
    is as long as `values` and overwritten.
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
    """Mark the cells whose z = s / max s + u / max u is ≤ the low or ≥ the high quantile of z.

    Rows are genes. A quantile that is NaN marks no cells; `floor` is the smallest maximum.
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
