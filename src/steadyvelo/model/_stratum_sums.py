"""Sums of the counts of one condition over strata: groups of cells in similar states."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np
import scipy.sparse as sp

from ._group_moments import group_members

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._typing import BoolArray, Float64Array, Matrix

__all__ = ["StratumSums"]


@dataclass(frozen=True, eq=False)
class StratumSums:
    """Sums of raw counts over the cells of one condition in every stratum.

    Sums of disjoint sets of cells add up with ``+`` to the sums of all.

    Attributes
    ----------
    cells
        Number of cells, shape (strata,).
    depth, depth_squares
        Sums of the cells' total molecules and of their squares, shape (strata,).
    unspliced, spliced
        Σu and Σs, shape (strata, genes).
    unspliced_squares, products, spliced_squares
        Σu², Σus and Σs², shape (strata, genes).

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import StratumSums
    >>> counts = np.array([[1.0], [3.0], [5.0]]), np.array([[2.0], [6.0], [9.0]])
    >>> sums = StratumSums.of(*counts, np.ones(3), strata=np.array([0, 0, 1]), n_strata=2)
    >>> sums.unspliced.ravel().tolist(), sums.products.ravel().tolist()
    ([4.0, 5.0], [20.0, 45.0])
    >>> (sums + sums).cells.tolist()
    [4.0, 2.0]
    """

    cells: Float64Array
    depth: Float64Array
    depth_squares: Float64Array
    unspliced: Float64Array
    spliced: Float64Array
    unspliced_squares: Float64Array
    products: Float64Array
    spliced_squares: Float64Array

    @classmethod
    def of(
        cls,
        unspliced: Matrix,
        spliced: Matrix,
        depth: Float64Array,
        *,
        strata: NDArray[np.intp],
        n_strata: int,
    ) -> Self:
        """Sum counts, cells × genes.

        Parameters
        ----------
        unspliced, spliced
            Counts, sparse arrays or dense.
        depth
            Total molecules of each cell, shape (cells,).
        strata
            Number of each cell's stratum, shape (cells,); cells with the number −1 are left out.
        n_strata
            Number of strata.
        """
        members = group_members(strata, n_strata)
        u, s = unspliced.astype(np.float64), spliced.astype(np.float64)
        sums = (members @ values for values in (u, s, u * u, u * s, s * s))
        dense = (x.toarray() if sp.issparse(x) else x for x in sums)
        return cls(np.asarray(members.sum(axis=1)), members @ depth, members @ depth**2, *dense)

    def __add__(self, other: Self) -> Self:
        return type(self)(*(a + b for a, b in zip(self._sums(), other._sums(), strict=True)))

    def of_strata(self, strata: BoolArray | slice) -> Self:
        """Return the sums in some strata."""
        return type(self)(*(values[strata] for values in self._sums()))

    def divided(self, ratio: Float64Array) -> Self:
        """Return the sums of unspliced counts that are divided by a number per gene."""
        return type(self)(
            self.cells,
            self.depth,
            self.depth_squares,
            self.unspliced / ratio,
            self.spliced,
            self.unspliced_squares / ratio**2,
            self.products / ratio,
            self.spliced_squares,
        )

    def squares(self, ratio: Float64Array) -> Float64Array:
        """Return Σ(u − ratio·s)² of every stratum; the ratio has a value per stratum and gene."""
        cross = self.unspliced_squares - 2 * ratio * self.products
        return np.maximum(cross + ratio**2 * self.spliced_squares, 0.0)

    def variance(self, of_unspliced: Float64Array, of_spliced: Float64Array) -> Float64Array:
        r"""Return the estimated variance of Σ(a·u − b·s) in every stratum of at least two cells.

        That is :math:`n/(n-1) \sum_c (x_c - \bar x)^2` with :math:`x = a u - b s`. a and b have the
        shape (strata, genes).
        """
        n = self.cells[:, None]
        a, b = of_unspliced, of_spliced
        squares = (
            a**2 * (self.unspliced_squares - self.unspliced**2 / n)
            - 2 * a * b * (self.products - self.unspliced * self.spliced / n)
            + b**2 * (self.spliced_squares - self.spliced**2 / n)
        )
        return np.maximum(squares, 0.0) * n / (n - 1)

    def covariance(self) -> Float64Array:
        """Return the estimated covariance of Σu and Σs in every stratum of at least two cells."""
        n = self.cells[:, None]
        return (self.products - self.unspliced * self.spliced / n) * n / (n - 1)

    def _sums(self) -> tuple[Float64Array, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))
