"""Contributions of neighbours to arrows.

Neighbours are listed by rank, so that sums over them do not depend on the order of the cells.
"""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel, reordering_kernel

from ._fold_means import AWAY, COUNTS, DEVIATION, MEANS
from ._projection import add_eight, project, unit_steps
from ._retest import add, retest_row


@reordering_kernel
def _dot(x: Array, y: Array, zero: float) -> float:
    """Return Σ_g x_g y_g, summed in the type of `zero`."""
    total = zero
    for g in range(x.shape[0]):
        total += x[g] * y[g]
    return np.float64(total)


@reordering_kernel
def _four_products(x: Array, of: tuple[Array, ...], zero: float, d: int, out: Array) -> None:
    """Write Σ_g x_g y_g to column d of `out` for each of four arrays y."""
    a, b, c, f = of
    one, two, three, four = zero, zero, zero, zero
    for g in range(x.shape[0]):
        one += x[g] * a[g]
        two += x[g] * b[g]
        three += x[g] * c[g]
        four += x[g] * f[g]
    out[0, d], out[1, d], out[2, d], out[3, d] = one, two, three, four


@reordering_kernel
def _eight_products(
    x: Array, z: Array, of: tuple[Array, ...], zero: float, d: int, out: Array
) -> None:
    """Write these products to column d, and those of z in place of x to the next column.

    Every value is loaded once for several products.
    """
    a, b, c, f = of
    one, two, three, four = zero, zero, zero, zero
    five, six, seven, eight = zero, zero, zero, zero
    for g in range(x.shape[0]):
        one += x[g] * a[g]
        two += x[g] * b[g]
        three += x[g] * c[g]
        four += x[g] * f[g]
        five += z[g] * a[g]
        six += z[g] * b[g]
        seven += z[g] * c[g]
        eight += z[g] * f[g]
    out[0, d], out[1, d], out[2, d], out[3, d] = one, two, three, four
    out[0, d + 1], out[1, d + 1], out[2, d + 1], out[3, d + 1] = five, six, seven, eight


@kernel
def _add_products(
    by_fold: Array,
    fold: int,
    packed: Array,
    indices: Array,
    edges: Array,
    zero: float,
    found: Array,
    out: Array,
) -> None:
    """Add Σ_g x_g r_g for every row x of a fold, with the deviations r at the ends of some edges.

    `by_fold` has the shape (dimensions, folds, genes), and `found` has four rows, for the products
    of four edges.
    """
    n_dims, n = by_fold.shape[0], edges.shape[0]
    for k in range(0, n, 4):
        # the last edges are repeated if fewer than four are left
        e, f = edges[k], edges[min(k + 1, n - 1)]
        h, j = edges[min(k + 2, n - 1)], edges[min(k + 3, n - 1)]
        of = (
            packed[indices[e], DEVIATION],
            packed[indices[f], DEVIATION],
            packed[indices[h], DEVIATION],
            packed[indices[j], DEVIATION],
        )
        for d in range(0, n_dims - 1, 2):
            _eight_products(by_fold[d, fold], by_fold[d + 1, fold], of, zero, d, found)
        if n_dims % 2 == 1:
            _four_products(by_fold[n_dims - 1, fold], of, zero, n_dims - 1, found)
        for m in range(min(4, n - k)):
            for d in range(n_dims):
                out[edges[k + m], d] += found[m, d]


@kernel
def _mean_deviations(
    indices: Array,
    edges: Array,
    flat: Array,
    scale: float,
    eight: tuple[Array, Array],
    out: Array,
) -> None:
    """Write the mean of r at the ends of some edges, times a scale; 0 without edges.

    `eight` is room for rows and weights.
    """
    n, width = edges.shape[0], out.shape[0]
    at, weights = eight
    for g in range(width):
        out[g] = np.float32(0.0)
    for first in range(0, n, 8):
        for m in range(8):
            at[m] = indices[edges[min(first + m, n - 1)]]
            weights[m] = np.float32(scale / n) if first + m < n else np.float32(0.0)
        add_eight(flat, at, weights, DEVIATION * width, out)


@reordering_kernel
def _add_squares(values: Array, total: Array) -> None:
    for g in range(values.shape[0]):
        total[g] += values[g] * values[g]


@kernel
def _add_to_columns(values: Array, columns: Array, out: Array) -> None:
    # unsigned places need no check for negative ones
    for g in range(values.shape[0]):
        out[np.uint64(columns[g])] += values[g]


@kernel
def _add_noise(
    packed: Array,
    indices: Array,
    fold: Array,
    low: int,
    high: int,
    of_folds: tuple[Array, Array, Array],
    zero: float,
    noise_along: Array,
) -> None:
    """Add the noise along the velocity for some edges, and write what `_add_chance` needs."""
    velocity, spread, other_spread = of_folds
    spread[:] = 0.0
    other_spread[:] = 0.0
    for e in range(low, high):
        own, values = fold[indices[e]], packed[indices[e]]
        noise_along[e] += _dot(velocity[own], values[COUNTS], zero)
        _add_squares(values[COUNTS], spread[own])
        _add_squares(values[AWAY], other_spread[1 - own])


@kernel
def _add_chance(spread: Array, other_spread: Array, n_second: int, n: int, chance: Array) -> None:
    for p in range(2):
        n_other = n_second if p == 0 else n - n_second
        both = _dot(spread[p], other_spread[p], 0.0) / (n - n_other) / n_other
        chance[p] += (n_other / n) ** 2 * both / n_other


@kernel
def _sum_of_products(x: tuple[Array, Array], y: tuple[Array, Array], out: Array) -> None:
    a, b, c, d = x[0], y[0], x[1], y[1]
    for g in range(out.shape[0]):
        out[g] = a[g] * b[g] + c[g] * d[g]


@kernel
def _along_shares(x: tuple[Array, Array], shares: Array, values: Array, out: Array) -> None:
    """Write M times the mean of the other fold, summed over both folds, with the folds' shares."""
    a, b, c, d = x[0], values[MEANS + 1], x[1], values[MEANS]
    for g in range(out.shape[0]):
        out[g] = a[g] * (shares[0] * b[g]) + c[g] * (shares[1] * d[g])


@kernel
def _sum_shares(x: tuple[Array, Array], shares: Array, out: Array) -> None:
    a, b = x
    for g in range(out.shape[0]):
        out[g] = shares[0] * a[g] + shares[1] * b[g]


@kernel
def _divide(fold: Array, indices: Array, low: int, high: int, edges: Array, number: Array) -> None:
    """List the edges from `low` to `high` by the fold of their ends, and count those of each."""
    number[:] = 0
    for e in range(low, high):
        own = fold[indices[e]]
        edges[own, number[own]] = e
        number[own] += 1


@kernel
def add_fold_graph(
    indptr: Array,
    indices: Array,
    fold: Array,
    embedding: Array,
    weights: Array,
    shifts: Array,
    packed: Array,
    middle: Array,
    columns: Array,
    groups: Array,
    contributions: Array,
    noise_along: Array,
    chance: Array,
    arrows: Array,
    places: Array,
    pairs: Array,
    retest: Array,
    slopes: Array,
    offsets: Array,
    zero: float,
    start: int,
    stop: int,
) -> None:
    """Add what the genes of one fold give, along the edges of their graph.

    The cells of one fold give M and those of the other fold give r; then the folds are exchanged.

    Parameters
    ----------
    fold
        Fold of each row's cell, 0 or 1.
    shifts
        b of M, shape (folds, rows, dimensions).
    packed
        Values of each row's cell, shape (rows, places, genes): what is read of a neighbour lies
        together, so that it is loaded in one piece.
    middle
        Typical means of these genes, shape (genes,).
    columns
        Columns of these genes in the derivatives by γ and by the offset.
    groups
        Number of each row's group; −1 for rows without a group.
    contributions, noise_along
        Sums over genes for every edge: contributions, and noise along the velocity. The second is
        not changed without noise in the packed rows.
    chance
        Sums over genes for every row, shape (folds, rows); not changed without noise, either.
    arrows
        Sums over these rows of each gene's part of the arrows, float64, shape (groups, dimensions,
        genes of this fold), to which is added; there may be no groups.
    places, pairs, retest
        Sums for the retest of each group that these rows have, float32, shape (groups, sums, genes
        of this fold), and the place of each row's group among them. There may be none. If `pairs`
        is not empty, they are sums for pairs of groups, and it has the place of each pair, or a
        negative number, shape (groups, groups).
    slopes, offsets
        Derivatives of arrows by γ and by the offset, shape (rows, dimensions, genes), to which is
        added; the second may have no rows.
    zero
        0 in the type in which products are summed.
    """
    n_dims, width = embedding.shape[1], packed.shape[2]
    with_noise = packed.shape[1] > AWAY
    with_velocity = with_noise or arrows.shape[0] > 0
    flat = packed.reshape(packed.shape[0], packed.shape[1] * width)
    most = 0
    for i in range(start, stop):
        most = max(most, indptr[i + 1] - indptr[i])
    steps = np.empty((n_dims + 1, most))
    projection = np.empty((n_dims, 2 * width), dtype=np.float32)
    by_fold = projection.reshape(n_dims, 2, width)
    eight = np.empty(8, dtype=np.int64), np.empty(8, dtype=np.float32)
    # for each fold of cells that give M
    velocity = np.empty((2, width), dtype=np.float32)
    spread = np.empty((2, width), dtype=np.float32)
    other_spread = np.empty((2, width), dtype=np.float32)
    shares = np.empty(2, dtype=np.float32)
    slope = np.empty(width, dtype=np.float32)
    edges = np.empty((2, most), dtype=np.int64)
    number = np.empty(2, dtype=np.int64)
    found = np.empty((4, n_dims))
    room = np.empty((4 + 2 * n_dims, width), dtype=np.float32)
    for i in range(start, stop):
        low, high = indptr[i], indptr[i + 1]
        near, n = indices[low:high], high - low
        _divide(fold, indices, low, high, edges, number)
        n_second = number[1]
        shares[0], shares[1] = n_second / max(n, 1), (n - n_second) / max(n, 1)
        unit_steps(near, embedding, i, weights[i], steps)
        project(near, steps, shifts[:, i], flat, i, eight, projection)
        if with_velocity:
            for p in range(2):
                others = edges[1 - p, : number[1 - p]]
                _mean_deviations(indices, others, flat, shares[p], eight, velocity[p])
        for own in range(2):
            # a cell gives M to its own fold and r to the other
            some = edges[own, : number[own]]
            _add_products(by_fold, 1 - own, packed, indices, some, zero, found, contributions)
        if with_noise:
            of_folds = velocity, spread, other_spread
            _add_noise(packed, indices, fold, low, high, of_folds, zero, noise_along)
            if 0 < n_second < n:
                _add_chance(spread, other_spread, n_second, n, chance[:, i])
        if retest.shape[0] > 0 and 0 < n_second < n and weights[i] > 0.0:
            of_row = groups[i], places[i - start], near, groups, pairs, packed[i, MEANS : MEANS + 2]
            retest_row(*of_row, middle, velocity, shares, by_fold, 1.0 / weights[i], room, retest)
        for d in range(n_dims):
            turned = by_fold[d, 0], by_fold[d, 1]
            if arrows.shape[0] > 0 and groups[i] >= 0:
                _sum_of_products(turned, (velocity[0], velocity[1]), slope)
                add(slope, arrows[groups[i], d])
            _along_shares(turned, shares, packed[i], slope)
            _add_to_columns(slope, columns, slopes[i, d])
            if offsets.shape[0] > 0:
                _sum_shares(turned, shares, slope)
                _add_to_columns(slope, columns, offsets[i, d])
