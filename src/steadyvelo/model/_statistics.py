"""The six numbers per gene from which every fit in the package is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

from ._join import joined
from ._kernels._statistics import weighted_sums
from ._ratio import fit_ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._ratio import Bound, OffsetMode, RatioFit
    from ._typing import Float64Array, GeneRows, Matrix

__all__ = ["SufficientStatistics"]

# genes that are turned dense at a time; bounds the memory of `from_arrays` for sparse input
_GENES_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class SufficientStatistics:
    r"""Weighted, centred sums over cells, one value per gene, float64.

    With weights :math:`w_i \ge 0`, spliced :math:`s_i` and unspliced :math:`u_i`:

    .. math::
        n = \sum w, \quad \bar s = \sum w s / n, \quad \bar u = \sum w u / n, \\
        C_{ss} = \sum w (s - \bar s)^2, \quad
        C_{su} = \sum w (s - \bar s)(u - \bar u), \quad
        C_{uu} = \sum w (u - \bar u)^2

    Sums over disjoint sets of cells add with ``+``, and a part is taken out with ``-``, by the
    update of Chan, Golub and LeVeque (1983). Raw sums of squares are never formed: they
    lose all digits where a mean is much larger than the spread around it.

    Attributes
    ----------
    total_weight
        n, shape (genes,).
    spliced_mean, unspliced_mean
        s̄ and ū, shape (genes,).
    spliced_squares, cross_products, unspliced_squares
        C_ss, C_su and C_uu, shape (genes,).
    spliced_mean_rest, unspliced_mean_rest
        What rounding took from the means, shape (genes,): parts whose means are a million times
        their spread still merge to the last digits.

    Examples
    --------
    >>> spliced = np.array([[1.0], [2.0], [3.0], [6.0]])
    >>> unspliced = 0.25 * spliced + 1.0
    >>> first = SufficientStatistics.from_arrays(spliced[:2], unspliced[:2])
    >>> second = SufficientStatistics.from_arrays(spliced[2:], unspliced[2:])
    >>> fit = (first + second).solve(offset=True)
    >>> fit.gamma.round(12).tolist(), fit.offset.round(12).tolist()
    ([0.25], [1.0])
    """

    total_weight: Float64Array
    spliced_mean: Float64Array
    unspliced_mean: Float64Array
    spliced_squares: Float64Array
    cross_products: Float64Array
    unspliced_squares: Float64Array
    spliced_mean_rest: Float64Array
    unspliced_mean_rest: Float64Array

    @classmethod
    def from_arrays(cls, spliced: Matrix, unspliced: Matrix, weights: Matrix | None = None) -> Self:
        """Take the sums over the cells of two matrices.

        Parameters
        ----------
        spliced, unspliced
            Abundances, shape (cells, genes), dense or CSR or CSC.
        weights
            Weight of each cell, shape (cells,) or (cells, genes), not negative; None means 1.

        Returns
        -------
        One value per gene and sum.

        Raises
        ------
        ValueError
            If shapes disagree, or a value is not finite, or a weight is negative.
        """
        shape = spliced.shape
        if len(shape) != 2 or unspliced.shape != shape:
            msg = (
                "spliced and unspliced must be cells × genes of one shape; "
                f"they are {shape} and {unspliced.shape}."
            )
            raise ValueError(msg)
        if weights is not None and weights.shape not in {shape, shape[:1]}:
            msg = f"weights must have shape {shape[:1]} or {shape}; they have {weights.shape}."
            raise ValueError(msg)
        spliced, unspliced = _by_gene(spliced), _by_gene(unspliced)
        weights = None if weights is None else _by_gene(weights)
        return joined(
            [
                cls.from_gene_rows(
                    _gene_rows(spliced, genes),
                    _gene_rows(unspliced, genes),
                    None if weights is None else _gene_rows(weights, genes),
                )
                for genes in _gene_slices(shape[1])
            ]
        )

    @classmethod
    def from_gene_rows(
        cls, spliced: GeneRows, unspliced: GeneRows, weights: NDArray[Any] | None = None
    ) -> Self:
        """Take the sums of (genes, cells) arrays; `weights` may have one row for all genes."""
        n_genes, n_cells = spliced.shape
        if weights is None:
            weights = np.ones((1, n_cells))
        elif weights.dtype != np.bool_ and weights.min(initial=0.0) < 0:
            msg = f"weights must not be negative; the smallest given is {weights.min():g}."
            raise ValueError(msg)
        sums = np.empty((n_genes, 8))
        weighted_sums(spliced, unspliced, weights, sums)
        n, s_mean, u_mean, s_left, u_left, ss, su, uu = sums.T.copy()
        for name, mean in (("spliced", s_mean), ("unspliced", u_mean), ("weights", n)):
            if not np.isfinite(mean).all():
                gene = int(np.flatnonzero(~np.isfinite(mean))[0])
                msg = f"{name} holds NaN or infinite values, first in gene number {gene}."
                raise ValueError(msg)
        # what the rounding of the mean left over; taking it out again is what keeps all
        # digits at a mean far above the spread (corrected two-pass)
        divisor = np.where(n > 0, n, 1.0)
        s_mean, s_rest = _two_sum(s_mean, s_left / divisor)
        u_mean, u_rest = _two_sum(u_mean, u_left / divisor)
        return cls(
            n,
            s_mean,
            u_mean,
            np.maximum(ss - s_left * s_left / divisor, 0.0),
            su - s_left * u_left / divisor,
            np.maximum(uu - u_left * u_left / divisor, 0.0),
            s_rest,
            u_rest,
        )

    def __add__(self, other: SufficientStatistics) -> SufficientStatistics:
        """Return the statistics of the cells of both."""
        self._check_same_genes(other)
        n = self.total_weight + other.total_weight
        divisor = np.where(n > 0, n, 1.0)
        ds, du = other._means_from(self)
        share = other.total_weight / divisor
        between = self.total_weight * share
        # a side without weight has a mean of no meaning
        empty = self.total_weight == 0
        s_mean, s_rest = _two_sum(self.spliced_mean, self.spliced_mean_rest + share * ds)
        u_mean, u_rest = _two_sum(self.unspliced_mean, self.unspliced_mean_rest + share * du)
        return SufficientStatistics(
            n,
            np.where(empty, other.spliced_mean, s_mean),
            np.where(empty, other.unspliced_mean, u_mean),
            self.spliced_squares + other.spliced_squares + between * ds * ds,
            self.cross_products + other.cross_products + between * ds * du,
            self.unspliced_squares + other.unspliced_squares + between * du * du,
            np.where(empty, other.spliced_mean_rest, s_rest),
            np.where(empty, other.unspliced_mean_rest, u_rest),
        )

    def __sub__(self, part: SufficientStatistics) -> SufficientStatistics:
        """Return the statistics without the cells of `part`, which must be among them."""
        self._check_same_genes(part)
        n = self.total_weight - part.total_weight
        # sums of the same weights in another order differ by rounding only
        n = np.where(n <= 1e-12 * self.total_weight, np.minimum(n, 0.0), n)
        if (n < -1e-9 * self.total_weight).any():
            gene = int(np.argmin(n))
            msg = (
                f"the part holds more weight than the whole in gene number {gene} "
                f"({part.total_weight[gene]:g} of {self.total_weight[gene]:g})."
            )
            raise ValueError(msg)
        n = np.maximum(n, 0.0)
        some = n > 0
        divisor = np.where(some, n, 1.0)
        ds, du = self._means_from(part)
        away = part.total_weight / divisor
        s_mean, s_rest = _two_sum(self.spliced_mean, self.spliced_mean_rest + away * ds)
        u_mean, u_rest = _two_sum(self.unspliced_mean, self.unspliced_mean_rest + away * du)
        ds = (part.spliced_mean - s_mean) + (part.spliced_mean_rest - s_rest)
        du = (part.unspliced_mean - u_mean) + (part.unspliced_mean_rest - u_rest)
        between = part.total_weight * n / np.where(some, self.total_weight, 1.0)

        def left(whole: Float64Array, taken: Float64Array, moved: Float64Array) -> Float64Array:
            return np.where(some, whole - taken - between * moved, 0.0)

        return SufficientStatistics(
            n,
            np.where(some, s_mean, 0.0),
            np.where(some, u_mean, 0.0),
            np.maximum(left(self.spliced_squares, part.spliced_squares, ds * ds), 0.0),
            left(self.cross_products, part.cross_products, ds * du),
            np.maximum(left(self.unspliced_squares, part.unspliced_squares, du * du), 0.0),
            np.where(some, s_rest, 0.0),
            np.where(some, u_rest, 0.0),
        )

    def _means_from(self, other: SufficientStatistics) -> tuple[Float64Array, Float64Array]:
        """Return how far the means lie from those of another part."""
        return (
            (self.spliced_mean - other.spliced_mean)
            + (self.spliced_mean_rest - other.spliced_mean_rest),
            (self.unspliced_mean - other.unspliced_mean)
            + (self.unspliced_mean_rest - other.unspliced_mean_rest),
        )

    def _check_same_genes(self, other: SufficientStatistics) -> None:
        if other.total_weight.shape != self.total_weight.shape:
            msg = (
                f"statistics of {len(self.total_weight)} and {len(other.total_weight)} genes do "
                "not belong together."
            )
            raise ValueError(msg)

    def solve(
        self,
        *,
        offset: OffsetMode = False,
        gamma_bounds: tuple[float, float] | None = None,
        offset_bounds: tuple[Bound, Bound] | None = None,
    ) -> RatioFit:
        r"""Fit the steady-state ratio of every gene by weighted least squares.

        Minimises :math:`\sum w (u - \gamma s - o)^2`:

        - ``offset=False``: :math:`o = 0`,
          :math:`\gamma = \sum w s u / \sum w s^2
          = (C_{su} + n \bar s \bar u) / (C_{ss} + n \bar s^2)`
        - ``offset=True``: :math:`\gamma = C_{su} / C_{ss}`, :math:`o = \bar u - \gamma \bar s`
        - ``offset="nonnegative"``: with an offset, and again through the origin where that
          offset came out negative (scVelo's rule)

        Parameters
        ----------
        offset
            Which of the three.
        gamma_bounds, offset_bounds
            Lowest and highest value allowed, numbers or one per gene; None means no
            bound. The constrained minimum is found in closed form: the objective is
            convex, so it lies at the free minimum or on an edge of the box.

        Returns
        -------
        Ratio, offset and the reason where there is no fit, per gene.

        Raises
        ------
        ValueError
            If `offset` is none of the three, or bounds for an offset are given without one.

        References
        ----------
        La Manno et al. (2018), https://doi.org/10.1038/s41586-018-0414-6.
        """
        return fit_ratio(
            self, offset=offset, gamma_bounds=gamma_bounds, offset_bounds=offset_bounds
        )

    def residual_squares(self, gamma: Float64Array, offset: Float64Array) -> Float64Array:
        """Sum of squares Σw(u − γs − o)² around given lines, shape (genes,)."""
        away = self.unspliced_mean - gamma * self.spliced_mean - offset
        around = (
            self.unspliced_squares
            - 2 * gamma * self.cross_products
            + gamma * gamma * self.spliced_squares
        )
        return np.maximum(around, 0.0) + self.total_weight * away * away

    def r2(self, gamma: Float64Array, offset: Float64Array) -> Float64Array:
        """Share of the spread of u that given lines explain, 1 − Σw(u − γs − o)² / Σw(u − ū)².

        Negative where a line is worse than the mean; NaN where u is constant or a line is NaN.
        It is not adjusted for degrees of freedom.

        Parameters
        ----------
        gamma, offset
            Lines, one per gene, however they were fitted.

        Returns
        -------
        R² per gene, shape (genes,).
        """
        spread = self.unspliced_squares > 0
        squares = np.where(spread, self.unspliced_squares, 1.0)
        return np.where(spread, 1.0 - self.residual_squares(gamma, offset) / squares, np.nan)


def _two_sum(large: Float64Array, small: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the sum and what its rounding lost (Dekker), for |large| ≥ |small|."""
    total = large + small
    return total, small - (total - large)


def _gene_slices(n_genes: int) -> list[slice]:
    starts = range(0, max(n_genes, 1), _GENES_AT_ONCE)
    return [slice(start, min(start + _GENES_AT_ONCE, n_genes)) for start in starts]


def _by_gene(x: Matrix) -> Matrix:
    """Return a sparse matrix in the format whose gene slices are cheap."""
    return x.tocsc() if sp.issparse(x) else x


def _gene_rows(x: Matrix, genes: slice) -> Float64Array:
    """Return some genes of a cells × genes matrix as a dense (genes, cells) float64 array."""
    if x.ndim == 1:
        return np.asarray(x, dtype=np.float64)[None, :]
    block = x[:, genes]
    dense = block.toarray() if sp.issparse(block) else block
    return np.ascontiguousarray(np.asarray(dense, dtype=np.float64).T)
