"""Centred sums per gene, which can be added and subtracted for disjoint sets of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from ._typing import Float64Array

__all__ = ["CentredSums", "two_sum"]


@dataclass(frozen=True, eq=False)
class CentredSums:
    """Weighted, centred sums over cells, one value per gene, float64.

    The ``+`` of two objects gives the sums over the cells of both, which must be disjoint; ``-``
    removes some of the cells. Both use the update of Chan, Golub and LeVeque (1983). Raw sums of
    squares are not computed, because they lose all digits if a mean is much larger than the spread.

    :class:`steadyvelo.model.SufficientStatistics` explains every sum.
    """

    total_weight: Float64Array
    spliced_mean: Float64Array
    unspliced_mean: Float64Array
    spliced_squares: Float64Array
    cross_products: Float64Array
    unspliced_squares: Float64Array
    spliced_mean_rest: Float64Array
    unspliced_mean_rest: Float64Array

    def __add__(self, other: Self) -> Self:
        """Return the sums over the cells of both objects."""
        self._check_same_genes(other)
        n = self.total_weight + other.total_weight
        divisor = np.where(n > 0, n, 1.0)
        ds, du = other._means_from(self)
        share = other.total_weight / divisor
        between = self.total_weight * share
        # without weight a mean is meaningless
        empty = self.total_weight == 0
        s_mean, s_rest = two_sum(self.spliced_mean, self.spliced_mean_rest + share * ds)
        u_mean, u_rest = two_sum(self.unspliced_mean, self.unspliced_mean_rest + share * du)
        return type(self)(
            n,
            np.where(empty, other.spliced_mean, s_mean),
            np.where(empty, other.unspliced_mean, u_mean),
            self.spliced_squares + other.spliced_squares + between * ds * ds,
            self.cross_products + other.cross_products + between * ds * du,
            self.unspliced_squares + other.unspliced_squares + between * du * du,
            np.where(empty, other.spliced_mean_rest, s_rest),
            np.where(empty, other.unspliced_mean_rest, u_rest),
        )

    def __sub__(self, part: Self) -> Self:
        """Return the sums without the cells of `part`, which must be a subset of the cells."""
        self._check_same_genes(part)
        n = self.total_weight - part.total_weight
        # sums of the same weights in another order differ by rounding only
        n = np.where(n <= 1e-12 * self.total_weight, np.minimum(n, 0.0), n)
        if (n < -1e-9 * self.total_weight).any():
            gene = int(np.argmin(n))
            msg = (
                f"the part has more weight than the whole in gene number {gene} "
                f"({part.total_weight[gene]:g} of {self.total_weight[gene]:g})."
            )
            raise ValueError(msg)
        n = np.maximum(n, 0.0)
        some = n > 0
        divisor = np.where(some, n, 1.0)
        ds, du = self._means_from(part)
        away = part.total_weight / divisor
        s_mean, s_rest = two_sum(self.spliced_mean, self.spliced_mean_rest + away * ds)
        u_mean, u_rest = two_sum(self.unspliced_mean, self.unspliced_mean_rest + away * du)
        ds = (part.spliced_mean - s_mean) + (part.spliced_mean_rest - s_rest)
        du = (part.unspliced_mean - u_mean) + (part.unspliced_mean_rest - u_rest)
        between = part.total_weight * n / np.where(some, self.total_weight, 1.0)

        def left(whole: Float64Array, taken: Float64Array, moved: Float64Array) -> Float64Array:
            return np.where(some, whole - taken - between * moved, 0.0)

        return type(self)(
            n,
            np.where(some, s_mean, 0.0),
            np.where(some, u_mean, 0.0),
            np.maximum(left(self.spliced_squares, part.spliced_squares, ds * ds), 0.0),
            left(self.cross_products, part.cross_products, ds * du),
            np.maximum(left(self.unspliced_squares, part.unspliced_squares, du * du), 0.0),
            np.where(some, s_rest, 0.0),
            np.where(some, u_rest, 0.0),
        )

    def _means_from(self, other: Self) -> tuple[Float64Array, Float64Array]:
        """Return the differences between these means and those of another object."""
        return (
            (self.spliced_mean - other.spliced_mean)
            + (self.spliced_mean_rest - other.spliced_mean_rest),
            (self.unspliced_mean - other.unspliced_mean)
            + (self.unspliced_mean_rest - other.unspliced_mean_rest),
        )

    def _check_same_genes(self, other: Self) -> None:
        if other.total_weight.shape != self.total_weight.shape:
            msg = (
                f"sums of {len(self.total_weight)} genes cannot be combined with sums of "
                f"{len(other.total_weight)} genes."
            )
            raise ValueError(msg)

    def residual_squares(self, gamma: Float64Array, offset: Float64Array) -> Float64Array:
        """Return the sum of squares Σw(u − γs − o)² around given lines, shape (genes,)."""
        away = self.unspliced_mean - gamma * self.spliced_mean - offset
        return self._around_mean(gamma) + self.total_weight * away * away

    def residual_variance(self, gamma: Float64Array) -> Float64Array:
        """Return the variance of u − γs, Σw(r − r̄)² / Σw, which no offset changes, (genes,)."""
        total = np.where(self.total_weight > 0, self.total_weight, 1.0)
        return self._around_mean(gamma) / total

    def _around_mean(self, gamma: Float64Array) -> Float64Array:
        """Return the sum of squares of u − γs around its mean."""
        around = (
            self.unspliced_squares
            - 2 * gamma * self.cross_products
            + gamma * gamma * self.spliced_squares
        )
        return np.maximum(around, 0.0)

    def r2(self, gamma: Float64Array, offset: Float64Array) -> Float64Array:
        """Return R² of given lines, 1 − Σw(u − γs − o)² / Σw(u − ū)².

        R² is the share of the variance of u that a line explains. It is negative if the line fits
        worse than a constant, and NaN if u is constant or the line is NaN. It is not adjusted for
        degrees of freedom.

        Parameters
        ----------
        gamma, offset
            Any lines, one per gene.

        Returns
        -------
        R² per gene, shape (genes,).
        """
        spread = self.unspliced_squares > 0
        squares = np.where(spread, self.unspliced_squares, 1.0)
        return np.where(spread, 1.0 - self.residual_squares(gamma, offset) / squares, np.nan)


def two_sum(large: Float64Array, small: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the rounded sum and its rounding error (Dekker), for |large| ≥ |small|."""
    total = large + small
    return total, small - (total - large)
