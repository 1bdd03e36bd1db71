"""Sums over cells for the retest of arrows without the assumption of a steady state."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, reordering_kernel

__all__ = ["add", "add_retest_sums"]


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
def _subtract(x: Array, y: Array, out: Array) -> None:
    for g in range(out.shape[0]):
        out[g] = x[g] - y[g]


@reordering_kernel
def add_retest_sums(
    spliced: Array,
    middle: Array,
    deviations: Array,
    shares: Array,
    projection: Array,
    scale: float,
    rows: Array,
    out: Array,
) -> None:
    """Add what one cell gives to the sums of its group, in the order of `RetestSums`.

    `spliced` are the means of the neighbours in each fold of cells, (folds, genes), from which
    `middle` is subtracted, (genes,). `deviations` has the means of r, in the other order of the
    folds and multiplied by `shares`. `projection` is M times 1 / `scale`, (dimensions, folds,
    genes), `rows` is room for 4 + 2 · dimensions rows, and `out` has a row for each sum.
    """
    n_dims = projection.shape[0]
    s, t, u, v = rows[0], rows[1], rows[2], rows[3]
    _subtract(spliced[0], middle, s)
    _subtract(spliced[1], middle, t)
    _scale(deviations[1], 1.0 / shares[1], u)
    _scale(deviations[0], 1.0 / shares[0], v)
    out[0] += np.float32(1.0)
    add(s, out[1])
    add(t, out[2])
    add(u, out[3])
    add(v, out[4])
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
        _scale(projection[d, 0], scale, m)
        _scale(projection[d, 1], scale, n)
        add(m, out[first])
        add(n, out[first + 1])
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
