"""Slow eigenvectors of a large operator, first of its sums between groups of cells.

An eigenvector that hardly differs between similar cells is nearly one of the small matrix between
groups of similar cells. A search that starts from it needs few products with the large operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lu_factor, lu_solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._typing import Float64Array

__all__ = ["Coarse", "coarse_distributions"]

# regions that are looked for, and how much farther an eigenvalue may be from the largest than for
# all cells
_MOST_VECTORS, _FARTHER = 100, 10.0
# distance of the shift from the largest eigenvalue that is possible, and rounds of the iteration
_SHIFT, _ROUNDS = 0.01, 8
# singular value from which a direction belongs to a space
_REAL = 1e-8


@dataclass(frozen=True, eq=False)
class Coarse:
    """A large operator between groups of cells.

    Attributes
    ----------
    group_of
        Number of each cell's group, shape (cells,).
    between
        Function of weights r of rows, shape (cells,), and c of columns: sums of r_i a_ij c_j over
        the cells i of one group and j of another, groups × groups.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import Coarse
    >>> operator, member = np.ones((4, 4)), np.eye(2)[[0, 0, 1, 1]]
    >>> def between(rows, columns):
    ...     return member.T @ (rows[:, None] * operator * columns) @ member
    >>> coarse = Coarse(np.array([0, 0, 1, 1]), between)
    >>> coarse.between(np.ones(4), np.ones(4)).tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    >>> coarse.spread(np.arange(4.0)).toarray().tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, 3.0]]
    """

    group_of: NDArray[np.int32]
    between: Callable[[Float64Array, Float64Array], Float64Array]

    def spread(self, weights: Float64Array) -> sp.csr_array[np.float64]:
        """Return the matrix cells × groups that has the weight of each cell in its group."""
        n = len(self.group_of)
        return sp.csr_array((weights, self.group_of, np.arange(n + 1)))


def coarse_distributions(coarse: Coarse, tolerance: float) -> Float64Array:
    """Return distributions that decay slowly, shape (cells, regions), of the walk between groups.

    Within a group, all cells have the same value.
    """
    sizes = np.bincount(coarse.group_of)
    walk = coarse.between(np.ones(len(coarse.group_of)), 1.0 / sizes[coarse.group_of])
    values, vectors = _slowest(walk)
    lasting = values.real >= values.real.max() - _FARTHER * tolerance
    both = np.hstack([vectors[:, lasting].real, vectors[:, lasting].imag])
    basis, lengths, _ = np.linalg.svd(both, full_matrices=False)
    basis = basis[:, lengths > _REAL]
    return np.asarray(coarse.spread(1.0 / sizes[coarse.group_of]) @ basis)


def _slowest(walk: Float64Array) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return the eigenvalues of a small matrix that are nearest to 1, and their vectors."""
    n = len(walk)
    factors = lu_factor((1.0 + _SHIFT) * np.eye(n) - walk)
    space = np.random.default_rng(0).random((n, min(n, _MOST_VECTORS)))
    for _ in range(_ROUNDS):
        space = np.linalg.qr(lu_solve(factors, space))[0]
    values, coordinates = np.linalg.eig(space.T @ walk @ space)
    return values, space @ coordinates
