r"""A second test of the arrows of clusters, which does not assume a steady state.

Along an arrow, spliced mRNA changes as :math:`\dot s = c\,p`, where p is the difference in
expression in the direction of the arrow. Since :math:`\dot s = u - \gamma s`, unspliced mRNA is
:math:`u = \gamma s + o + c_k p` in the cells of cluster k, with any slope and any offset of each
gene: these need not be those of cells at steady state. If c is negative, unspliced mRNA contradicts
the arrow.

Cells are in two folds. u, s and p are means over neighbours in the one fold, and the instruments s'
and p' those over neighbours in the other, so that no noise is shared. For each gene, u and p are
freed from s and a constant by these instruments,

.. math::
    \tilde e = u - \bar u - \tilde\gamma (s - \bar s), \qquad
    \tilde p_l = p\,1_l - \overline{p\,1_l} - \rho_l (s - \bar s),

and give :math:`B_{kl} = \sum_{i \in k} p' \tilde p_l` and :math:`q_k = \sum_{i \in k} p' \tilde e`,
with which :math:`B c = q`. The folds are exchanged and the sums added. Genes are the units: z is c,
from genes weighted by the inverse of their residual variance, divided by its jackknife error over
genes, and t is the t statistic over genes of the correlation of the residuals with p', which is
bounded for every gene.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from ._typing import BoolArray, Float64Array

__all__ = ["Retest", "RetestSums", "n_retest_sums", "retest"]

# sums that have no dimension, of each dimension, and of each pair of dimensions
_ALONE, _EACH, _PAIRS = 14, 6, 3
# numbers of a gene that are solved for at once
_AT_ONCE = 20_000_000
# a smaller part of the variance of r is due to rounding, since sums are made of float32 values
_ROUNDING = 1e-6


class Retest(NamedTuple):
    """The two statistics of every group, shape (groups,); NaN where they cannot be computed."""

    t: Float64Array
    z: Float64Array


def n_retest_sums(n_dims: int) -> int:
    """Return the number of sums for an embedding with this number of dimensions."""
    return _ALONE + _EACH * n_dims + _PAIRS * n_dims * n_dims


@dataclass(frozen=True, eq=False)
class RetestSums:
    """Sums over the cells of each group, of shape (groups, genes).

    The last group are the cells without one. A pair has the sums in which the first fold responds
    and the second gives the instruments, and those with exchanged folds. r is the deviation
    u − γs − o from the fitted lines, and s may be taken from any value of each gene: neither
    changes the result, because any line is allowed.

    Attributes
    ----------
    n
        Number of cells.
    s, r, ss, sr, rr
        Of the fold that responds: Σs, Σr, Σs², Σsr, Σr².
    instrument_s, instrument_r
        Σs's and Σs'r.
    p
        Σp. That of the other fold is Σp'.
    s_p, p_s, p_r
        Σs'p, Σp's and Σp'r.
    pp, squares
        Σp'p and Σp'².
    """

    n: Float64Array
    s: tuple[Float64Array, Float64Array]
    r: tuple[Float64Array, Float64Array]
    ss: tuple[Float64Array, Float64Array]
    sr: tuple[Float64Array, Float64Array]
    rr: tuple[Float64Array, Float64Array]
    instrument_s: Float64Array
    instrument_r: tuple[Float64Array, Float64Array]
    p: tuple[Float64Array, Float64Array]
    s_p: tuple[Float64Array, Float64Array]
    p_s: tuple[Float64Array, Float64Array]
    p_r: tuple[Float64Array, Float64Array]
    pp: Float64Array
    squares: tuple[Float64Array, Float64Array]

    @classmethod
    def along(cls, sums: Float64Array, directions: Float64Array) -> Self:
        """Return the sums with p along the unit vectors of the groups, (groups, dimensions).

        `sums` has the shape (groups + 1, sums, genes); cells without a group have no p.
        """
        n_dims = directions.shape[1]
        unit = np.vstack([directions, np.zeros((1, n_dims))])
        alone = [sums[:, k] for k in range(_ALONE)]
        each = sums[:, _ALONE : _ALONE + _EACH * n_dims]
        each = each.reshape(len(sums), n_dims, _EACH, -1)
        m0, m1, s1_m0, s0_m1, m1_r0, m0_r1 = np.einsum("kd,kdeg->ekg", unit, each)
        pairs = sums[:, _ALONE + _EACH * n_dims :]
        pairs = pairs.reshape(len(sums), n_dims, n_dims, _PAIRS, -1)
        pp, first, second = np.einsum("kd,kf,kdfeg->ekg", unit, unit, pairs)
        return cls(
            alone[0],
            (alone[1], alone[2]),
            (alone[3], alone[4]),
            (alone[5], alone[6]),
            (alone[7], alone[8]),
            (alone[9], alone[10]),
            alone[11],
            (alone[12], alone[13]),
            (m0, m1),
            (s1_m0, s0_m1),
            (s0_m1, s1_m0),
            (m1_r0, m0_r1),
            pp,
            (second, first),
        )


def retest(sums: Float64Array, directions: Float64Array, abundance: Float64Array) -> Retest:
    """Retest the arrows of groups.

    Parameters
    ----------
    sums
        Sums of the cells of each group, and of the cells without one, shape (groups + 1, sums,
        genes).
    directions
        Arrows of the groups, shape (groups, dimensions); groups whose arrow is zero or NaN are not
        tested.
    abundance
        Mean unspliced abundance of every gene, shape (genes,).

    Examples
    --------
    Unspliced counts have a part that is proportional to p. In group 0 it is positive, in group 1
    negative.

    >>> rng = np.random.default_rng(0)
    >>> s, p, noise = rng.normal(size=(3, 2, 400, 30)) + rng.normal(size=(3, 1, 400, 30))
    >>> group = np.repeat([0, 1], 200)
    >>> c = np.where(group == 0, 0.5, -0.5)[:, None]
    >>> r = 5 + 0.3 * s + c * p + 0.1 * noise
    >>> pairs = [s[0] * s[1], s[1] * r[0], s[0] * r[1]]
    >>> alone = [np.ones_like(s[0]), *s, *r, *s**2, *(s * r), *r**2, *pairs]
    >>> each = [p[0], p[1], s[1] * p[0], s[0] * p[1], p[1] * r[0], p[0] * r[1]]
    >>> cells = np.stack([*alone, *each, p[0] * p[1], p[0] ** 2, p[1] ** 2], axis=1)
    >>> sums = np.stack([cells[group == k].sum(axis=0) for k in range(3)])
    >>> found = retest(sums, np.ones((2, 1)), np.full(30, 5.0))
    >>> bool(found.z[0] > 5), bool(found.z[1] < -5), bool(found.t[0] > 5), bool(found.t[1] < -5)
    (True, True, True, True)
    """
    length = np.linalg.norm(directions, axis=1)
    tested = np.isfinite(length) & (length > 0)
    unit = np.zeros_like(directions)
    unit[tested] = directions[tested] / length[tested, None]
    found = RetestSums.along(sums, unit)
    # with one gene alone, nothing is left without it
    for squares in found.squares:
        tested &= (squares[:-1] > 0).sum(axis=1) > 1
    t, z = np.full((2, len(directions)), np.nan)
    folds = [_Equations.of(found, fold, tested) for fold in (0, 1)]
    good = folds[0].good & folds[1].good & (abundance > 0)
    if tested.any() and good.sum() > tested.sum() + 1:
        folds = [fold.of_genes(good) for fold in folds]
        z[tested] = _z(folds)
        t[tested] = _t(folds, abundance[good])
    return Retest(t, z)


@dataclass(frozen=True, eq=False)
class _Equations:
    """B c = q of every gene, for one fold that responds: B = diag(d) − a mᵀ − e ρᵀ.

    All have the shape (groups, genes). `squares` and `residual_squares` are Σp'² and Σẽ² of the
    groups; `variance` is the mean ẽ² over all cells, shape (genes,).
    """

    d: Float64Array
    a: Float64Array
    m: Float64Array
    e: Float64Array
    rho: Float64Array
    q: Float64Array
    squares: Float64Array
    residual_squares: Float64Array
    variance: Float64Array
    good: BoolArray

    @classmethod
    def of(cls, sums: RetestSums, fold: int, tested: BoolArray) -> Self:
        """Return the equations of the groups that are tested."""
        total = sums.n.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            s, r, s_instrument = (
                x.sum(axis=0) / total for x in (sums.s[fold], sums.r[fold], sums.s[1 - fold])
            )
            spread = sums.instrument_s.sum(axis=0) - total * s_instrument * s
            slope = (sums.instrument_r[fold].sum(axis=0) - total * s_instrument * r) / spread
            p, p_instrument = sums.p[fold], sums.p[1 - fold]
            e = sums.p_s[fold] - s * p_instrument
            rho = (sums.s_p[fold] - s_instrument * p) / spread
            q = sums.p_r[fold] - r * p_instrument - slope * e
            # Σ(r − r̄)², Σ(s − s̄)² and Σ(r − r̄)(s − s̄) of the groups
            rr = sums.rr[fold] - 2 * r * sums.r[fold] + sums.n * r * r
            ss = sums.ss[fold] - 2 * s * sums.s[fold] + sums.n * s * s
            sr = sums.sr[fold] - s * sums.r[fold] - r * sums.s[fold] + sums.n * s * r
            squares = rr + slope * (slope * ss - 2 * sr)
            variance = squares.sum(axis=0) / total
            m = p / total
        some = np.append(tested, False)
        of_groups = sums.pp, p_instrument, m, e, rho, q, sums.squares[fold], squares
        # a gene without unspliced counts in these cells is on a line, and the rest is rounding
        good = (spread > 0) & (variance > _ROUNDING * rr.sum(axis=0) / total)
        d, a, m, e, rho, q, norm, left = (x[some] for x in of_groups)
        return cls(d, a, m, e, rho, q, norm, left, variance, good)

    def of_genes(self, genes: BoolArray) -> Self:
        """Return the equations of some genes."""
        return type(self)(*(getattr(self, f.name)[..., genes] for f in fields(self)))

    def matrix(self, weights: Float64Array) -> Float64Array:
        """Return Σ w B over genes, shape (groups, groups)."""
        out = -(self.a * weights) @ self.m.T - (self.e * weights) @ self.rho.T
        out[np.diag_indices_from(out)] += self.d @ weights
        return np.asarray(out)

    def matrices(self, weights: Float64Array, genes: slice) -> Float64Array:
        """Return w B of some genes, shape (genes, groups, groups)."""
        weight = weights[genes]
        left = np.stack([self.a[:, genes] * weight, self.e[:, genes] * weight])
        right = np.stack([self.m[:, genes], self.rho[:, genes]])
        out = -np.matmul(left.transpose(2, 1, 0), right.transpose(2, 0, 1))
        number = np.arange(out.shape[1])
        out[:, number, number] += (self.d[:, genes] * weight).T
        return np.asarray(out)


def _solved(matrix: Float64Array, right: Float64Array) -> Float64Array:
    """Solve equations; NaN if they have no solution."""
    try:
        return np.asarray(np.linalg.solve(matrix, right))
    except np.linalg.LinAlgError:
        return np.full(right.shape, np.nan)


def _z(folds: list[_Equations]) -> Float64Array:
    """Return c divided by its jackknife error over genes."""
    first, second = folds
    matrix = first.matrix(1 / first.variance) + second.matrix(1 / second.variance)
    right = first.q / first.variance + second.q / second.variance
    n_groups, n_genes = right.shape
    total = right.sum(axis=1)
    step = max(1, _AT_ONCE // n_groups**2)
    left_out = np.empty((n_genes, n_groups))
    for start in range(0, n_genes, step):
        genes = slice(start, start + step)
        own = (fold.matrices(1 / fold.variance, genes) for fold in folds)
        without = matrix - sum(own)
        rest = (total[:, None] - right[:, genes]).T
        left_out[genes] = _solved(without, rest[:, :, None])[:, :, 0]
    spread = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0) * (n_genes - 1) / n_genes
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(_solved(matrix, total) / np.sqrt(spread))


def _t(folds: list[_Equations], abundance: Float64Array) -> Float64Array:
    """Return the t statistic over genes of the correlation of the residuals with p'."""
    first, second = folds
    matrix = first.matrix(1 / abundance) + second.matrix(1 / abundance)
    c = _solved(matrix, (first.q + second.q) @ (1 / abundance))
    above = sum(
        fold.q
        # what the other groups explain
        + (fold.a * (c @ fold.m) + fold.e * (c @ fold.rho))
        - c[:, None] * (fold.a * fold.m + fold.e * fold.rho)
        for fold in folds
    )
    norm = (first.squares + second.squares) * (first.residual_squares + second.residual_squares)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(norm > 0, above / np.sqrt(np.maximum(norm, 0.0)), np.nan)
        n = np.isfinite(r).sum(axis=1)
        mean = np.nansum(r, axis=1) / n
        variance = np.nansum((r - mean[:, None]) ** 2, axis=1) / (n - 1)
        return np.asarray(mean / np.sqrt(variance / n))
