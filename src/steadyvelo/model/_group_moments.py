"""Means and sums of squares of groups of cells, and of all cells outside a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._typing import Float64Array

__all__ = ["GroupMoments", "group_members", "group_sums"]


@dataclass(frozen=True, eq=False)
class GroupMoments:
    """Number, mean and sum of squares of values in groups of cells.

    Attributes
    ----------
    cells
        Number of cells, shape (groups,).
    means
        Means, shape (groups, genes); 0 for a group without cells.
    squares
        Sums of squared differences from the mean, shape (groups, genes).
    """

    cells: NDArray[np.intp]
    means: Float64Array
    squares: Float64Array

    @classmethod
    def of(cls, values: Float64Array, codes: NDArray[np.intp], n_groups: int) -> Self:
        """Compute the moments of values, cells × genes, from the number of each cell's group.

        Cells with the number −1 are left out.

        Examples
        --------
        >>> values = np.array([[1.0], [3.0], [5.0], [100.0]])
        >>> moments = GroupMoments.of(values, np.array([0, 0, 1, -1]), 2)
        >>> moments.means.ravel().tolist(), moments.squares.ravel().tolist()
        ([2.0, 5.0], [2.0, 0.0])
        """
        cells = np.bincount(codes[codes >= 0], minlength=n_groups)
        means = cls._share(group_sums(values, codes, n_groups), cells)
        squares = group_sums((values - means[codes]) ** 2, codes, n_groups)
        return cls(cells, means, squares)

    def others(self) -> Self:
        """Return the moments of all cells outside each group.

        The sums of squares of the other groups are added to those of their means around the common
        mean.

        Examples
        --------
        >>> values = np.array([[1.0], [3.0], [5.0]])
        >>> others = GroupMoments.of(values, np.array([0, 1, 2]), 3).others()
        >>> others.means.ravel().tolist(), others.squares.ravel().tolist()
        ([4.0, 3.0, 2.0], [2.0, 8.0, 2.0])
        """
        other = 1 - np.eye(len(self.cells), dtype=np.intp)
        cells = other @ self.cells
        means = self._share((other * self.cells) @ self.means, cells)
        squares = np.empty_like(means)
        for number, taken in enumerate(other):
            between = self.cells[:, None] * (self.means - means[number]) ** 2
            squares[number] = taken @ (self.squares + between)
        return type(self)(cells, means, squares)

    def part(self, groups: slice) -> Self:
        """Return the moments of some of the groups."""
        return type(self)(self.cells[groups], self.means[groups], self.squares[groups])

    @staticmethod
    def _share(sums: Float64Array, cells: NDArray[np.intp]) -> Float64Array:
        return sums / np.maximum(cells, 1)[:, None]


def group_sums(values: NDArray[Any], codes: NDArray[np.intp], n_groups: int) -> Float64Array:
    """Return the sums of values over the cells of each group.

    Parameters
    ----------
    values
        Shape (cells, genes).
    codes
        Number of each cell's group, shape (cells,); cells with the number −1 are left out.
    n_groups
        Number of groups.

    Returns
    -------
    Sums, shape (groups, genes); 0 for a group without cells.

    Examples
    --------
    >>> group_sums(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, -1]), 2).ravel().tolist()
    [4.0, 0.0]
    """
    sums: Float64Array = group_members(codes, n_groups) @ values
    return sums


def group_members(
    codes: NDArray[np.intp], n_groups: int, dtype: type[np.floating[Any]] = np.float64
) -> sp.csr_array[Any]:
    """Return a matrix, groups × cells, with 1 where a cell belongs to a group.

    Parameters
    ----------
    codes
        Number of each cell's group, shape (cells,); cells with the number −1 belong to no group.
    n_groups
        Number of groups.
    dtype
        Type in which products with the matrix are summed.

    Returns
    -------
    Shape (groups, cells).

    Examples
    --------
    >>> group_members(np.array([1, -1, 0]), 2).toarray().tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    inside = np.flatnonzero(codes >= 0)
    entries = np.ones(len(inside), dtype=dtype), (codes[inside], inside)
    return sp.csr_array(entries, shape=(n_groups, len(codes)))
