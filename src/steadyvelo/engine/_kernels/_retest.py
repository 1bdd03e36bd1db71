"""Sums over cells for the retest of arrows without the assumption of a steady state."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel, reordering_kernel

__all__ = ["add", "retest_row"]


# each loop has few arrays, so that it is compiled to vector instructions
@reordering_kernel
def add(x: Array, out: Array) -> None:
    """Add a row to another."""
    for g in range(out.shape[0]):
        out[g] += x[g]


@reordering_kernel
def _add_product(x: Array, y: Array, out: Array) -> None:
    for g in range(out.shape[0]):
        out[g] += x[g] * y[g]


@reordering_kernel
def _scale(x: Array, factor: float, out: Array) -> None:
    short = np.float32(factor)
    for g in range(out.shape[0]):
        out[g] = short * x[g]


@reordering_kernel
def _subtract(x: Array, y: Array, factor: float, out: Array) -> None:
    short = np.float32(factor)
    for g in range(out.shape[0]):
        out[g] = short * (x[g] - y[g])


@reordering_kernel
def _add_times(x: Array, factor: float, out: Array) -> None:
    short = np.float32(factor)
    for g in range(out.shape[0]):
        out[g] += short * x[g]


@reordering_kernel
def _add_retest_sums(
    spliced: Array,
    middle: Array,
    deviations: Array,
    shares: Array,
    projection: Array,
    scale: float,
    root: float,
    rows: Array,
    out: Array,
) -> None:
    """Add what one cell gives to the sums of its group, in the order of `RetestSums`.

    `spliced` are the means of the neighbours in each fold of cells, (folds, genes), from which
    `middle` is subtracted, (genes,). `deviations` has the means of r, in the other order of the
    folds and multiplied by `shares`. `projection` is M times 1 / `scale`, (dimensions, folds,
    genes). `root` is the square root of the weight that the cell has in all sums. `rows` is room
    for 4 + 2 · dimensions rows, and `out` has a row for each sum.
    """
    n_dims = projection.shape[0]
    s, t, u, v = rows[0], rows[1], rows[2], rows[3]
    _subtract(spliced[0], middle, root, s)
    _subtract(spliced[1], middle, root, t)
    _scale(deviations[1], root / shares[1], u)
    _scale(deviations[0], root / shares[0], v)
    out[0] += np.float32(root * root)
    _add_times(s, root, out[1])
    _add_times(t, root, out[2])
    _add_times(u, root, out[3])
    _add_times(v, root, out[4])
    _add_product(s, s, out[5])
    _add_product(t, t, out[6])
    _add_product(s, u, out[7])
    _add_product(t, v, out[8])
    _add_product(u, u, out[9])
    _add_product(v, v, out[10])
    _add_product(s, t, out[11])
    _add_product(t, u, out[12])
    _add_product(s, v, out[13])
    for d in range(n_dims):
        m, n, first = rows[4 + 2 * d], rows[5 + 2 * d], 14 + 6 * d
        _scale(projection[d, 0], root * scale, m)
        _scale(projection[d, 1], root * scale, n)
        _add_times(m, root, out[first])
        _add_times(n, root, out[first + 1])
        _add_product(t, m, out[first + 2])
        _add_product(s, n, out[first + 3])
        _add_product(n, u, out[first + 4])
        _add_product(m, v, out[first + 5])
    for d in range(n_dims):
        m, n = rows[4 + 2 * d], rows[5 + 2 * d]
        for f in range(n_dims):
            first = 14 + 6 * n_dims + 3 * (d * n_dims + f)
            _add_product(m, rows[5 + 2 * f], out[first])
            _add_product(m, rows[4 + 2 * f], out[first + 1])
            _add_product(n, rows[5 + 2 * f], out[first + 2])


@kernel
def retest_row(
    own: int,
    place: int,
    near: Array,
    groups: Array,
    pairs: Array,
    spliced: Array,
    middle: Array,
    deviations: Array,
    shares: Array,
    projection: Array,
    scale: float,
    rows: Array,
    out: Array,
) -> None:
    """Add what one cell gives to the sums of its group, or of the pairs of groups that it borders.

    `place` is that of the sums of its group. With `pairs`, which has the place of each pair of
    groups or a negative number, (groups, groups), the cell belongs to each pair of its group `own`
    and a group of its neighbours `near`. M towards a group with the share f of the neighbours is
    f (1 − f) p / √2, where p is the mean of these neighbours minus that of the others. So p gets
    the weight f (1 − f). In the second group of a pair, p has the opposite sign.
    """
    n_groups = pairs.shape[0]
    if n_groups == 0:
        given = spliced, middle, deviations, shares, projection
        _add_retest_sums(*given, scale, 1.0, rows, out[place])
        return
    if own < 0:
        return
    count = np.zeros(n_groups, dtype=np.int64)
    for j in near:
        if groups[j] >= 0:
            count[groups[j]] += 1
    for b in range(n_groups):
        pair, share = pairs[own, b], count[b] / near.shape[0]
        if pair >= 0 and 0.0 < share < 1.0:
            weight = share * (1.0 - share)
            towards = scale * np.sqrt(2.0) / weight
            if own > b:
                towards = -towards
            one = spliced, middle, deviations, shares, projection[b : b + 1]
            _add_retest_sums(*one, towards, np.sqrt(weight), rows, out[pair])
