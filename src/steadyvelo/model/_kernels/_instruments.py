"""Sums over cells of instruments and of scores, for every gene.

Rows of the four matrices are cells, columns are genes; each row is read as a whole. The sums of
_STRIDE genes are stored together in one row: all genes of the first sum, then all genes of the
second sum, and so on. :func:`by_name` converts this to one array per sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo.model._jit import Array, kernel

if TYPE_CHECKING:
    from steadyvelo.model._typing import Float64Array

_STRIDE = 32

# the sums of each kernel, in the order in which they are stored; these are fields of InstrumentSums
# and of ScoreSums
MEANS = ("h", "h0", "h_spliced", "h_unspliced", "h0_spliced", "h0_unspliced")
ORIGIN_SCORES = (
    "unspliced",
    "spliced",
    "unspliced_squares",
    "products",
    "spliced_squares",
    "poisson",
    "instrument_squares",
    "instrument_fourth_powers",
    "molecule_squares",
)
SCORES = (
    *ORIGIN_SCORES,
    "h_spliced",
    "h_unspliced",
    "offset_score",
    "offset_score_squares",
    "offset_unspliced_squares",
    "offset_products",
    "offset_spliced_squares",
    "mixed_unspliced",
    "mixed_products",
    "mixed_spliced",
)


def empty_sums(n_genes: int, names: tuple[str, ...]) -> Float64Array:
    """Return zeros to which a kernel adds its sums."""
    return np.zeros((-(-n_genes // _STRIDE), len(names) * _STRIDE))


def packed(*lines: Float64Array) -> Float64Array:
    """Return values of every gene in the order in which kernels store sums."""
    n_genes = len(lines[0])
    n_parts = -(-n_genes // _STRIDE)
    apart = np.zeros((len(lines), n_parts * _STRIDE))
    apart[:, :n_genes] = lines
    by_part = apart.reshape(len(lines), n_parts, _STRIDE).swapaxes(0, 1)
    return np.ascontiguousarray(by_part).reshape(n_parts, -1)


def by_name(sums: Float64Array, names: tuple[str, ...], n_genes: int) -> dict[str, Float64Array]:
    """Return sums from (samples, parts, sums) as one array (samples, genes) per name."""
    n_samples = len(sums)
    apart = sums.reshape(n_samples, -1, len(names), _STRIDE).transpose(2, 0, 1, 3)
    of_genes = apart.reshape(len(names), n_samples, -1)[:, :, :n_genes]
    return dict(zip(names, of_genes, strict=True))


@kernel
def _add_means(s: Array, u: Array, h: Array, h0: Array, sums: Array) -> None:
    """Add one cell to the sums of :data:`MEANS`: Σh, Σh⁰, Σhs, Σhu, Σh⁰s, Σh⁰u.

    All sums are in one array, so that the compiler knows that they do not overlap.
    """
    for g in range(h.shape[0]):
        hc, h0c = np.float64(h[g]), np.float64(h0[g])
        sc, uc = np.float64(s[g]), np.float64(u[g])
        sums[g] += hc
        sums[_STRIDE + g] += h0c
        sums[2 * _STRIDE + g] += hc * sc
        sums[3 * _STRIDE + g] += hc * uc
        sums[4 * _STRIDE + g] += h0c * sc
        sums[5 * _STRIDE + g] += h0c * uc


@kernel
def _add_origin_scores(s: Array, u: Array, h: Array, scales: Array, sums: Array) -> None:
    """Add one cell to the sums of :data:`ORIGIN_SCORES`, for lines through the origin."""
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
def _add_scores(
    s: Array, u: Array, h: Array, h0: Array, scales: Array, lines: Array, sums: Array
) -> None:
    """Add one cell to the sums of :data:`SCORES`, for lines with an offset or its score test.

    `lines` contains Σh/Σh⁰, s̄ and ū (0 without an offset), γ and κ = Σh⁰s/Σhs, stored like sums.
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
        sums[8 * _STRIDE + g] += hc * hc * du * uc
        sums[9 * _STRIDE + g] += hc * sc
        sums[10 * _STRIDE + g] += hc * uc
        sums[11 * _STRIDE + g] += z
        sums[12 * _STRIDE + g] += z * z
        sums[13 * _STRIDE + g] += x * x
        sums[14 * _STRIDE + g] += x * y
        sums[15 * _STRIDE + g] += y * y
        sums[16 * _STRIDE + g] += a * x
        sums[17 * _STRIDE + g] += a * y + b * x
        sums[18 * _STRIDE + g] += b * y


@kernel
def add_means(
    h: Array,
    h0: Array,
    spliced: Array,
    unspliced: Array,
    rows: Array,
    start: int,
    stop: int,
    sums: Array,
) -> None:
    """Add the cells ``rows[start:stop]`` to the sums of :data:`MEANS`."""
    n_genes = h.shape[1]
    for k in range(start, stop):
        c = rows[k]
        for low in range(0, n_genes, _STRIDE):
            high = min(low + _STRIDE, n_genes)
            s, u = spliced[c, low:high], unspliced[c, low:high]
            _add_means(s, u, h[c, low:high], h0[c, low:high], sums[low // _STRIDE])


@kernel
def add_origin_scores(
    h: Array,
    spliced: Array,
    unspliced: Array,
    scales: Array,
    rows: Array,
    start: int,
    stop: int,
    sums: Array,
) -> None:
    """Add cells to the sums of :data:`ORIGIN_SCORES`; `scales` has a row for every cell."""
    n_genes = h.shape[1]
    for k in range(start, stop):
        c = rows[k]
        for low in range(0, n_genes, _STRIDE):
            high = min(low + _STRIDE, n_genes)
            s, u = spliced[c, low:high], unspliced[c, low:high]
            _add_origin_scores(s, u, h[c, low:high], scales[c], sums[low // _STRIDE])


@kernel
def add_scores(
    h: Array,
    h0: Array,
    spliced: Array,
    unspliced: Array,
    scales: Array,
    lines: Array,
    rows: Array,
    start: int,
    stop: int,
    sums: Array,
) -> None:
    """Add cells to the sums of :data:`SCORES`; `lines` is stored like `sums`."""
    n_genes = h.shape[1]
    for k in range(start, stop):
        c = rows[k]
        for low in range(0, n_genes, _STRIDE):
            high = min(low + _STRIDE, n_genes)
            s, u = spliced[c, low:high], unspliced[c, low:high]
            x, x0, part = h[c, low:high], h0[c, low:high], low // _STRIDE
            _add_scores(s, u, x, x0, scales[c], lines[part], sums[part])


@kernel
def influences(
    h: Array,
    h0: Array,
    spliced: Array,
    unspliced: Array,
    lines: Array,
    psi: Array,
    omega: Array,
    start: int,
    stop: int,
) -> None:
    """Write each cell's influence on γ and on the offset; `omega` may have no columns.

    The rows of `lines` are Σh/Σh⁰, s̄ and ū (0 without an offset), γ, 1 / Σqs, the offset and
    1 / Σh⁰ (0 without an offset).
    """
    n_genes = h.shape[1]
    share, spliced_mean, unspliced_mean = lines[0], lines[1], lines[2]
    gamma, inverse, offset, inverse0 = lines[3], lines[4], lines[5], lines[6]
    with_offset = omega.shape[1] > 0
    for c in range(start, stop):
        for g in range(n_genes):
            s, u, q = np.float64(spliced[c, g]), np.float64(unspliced[c, g]), np.float64(h[c, g])
            if with_offset:
                q -= share[g] * h0[c, g]
            left = (u - unspliced_mean[g]) - gamma[g] * (s - spliced_mean[g])
            value = q * left * inverse[g]
            psi[c, g] = value
            if with_offset:
                off = (u - gamma[g] * s - offset[g]) * inverse0[g]
                omega[c, g] = h0[c, g] * off - spliced_mean[g] * value
