"""Slow eigenvectors of a large operator, first of its sums between groups of cells.

An eigenvector that hardly differs between similar cells is nearly one of the small matrix between
groups of similar cells. A search that starts from it needs few products with the large operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lu_factor, lu_solve

from ._orthonormal import orthonormal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse.linalg import LinearOperator

    from ._typing import Float64Array

__all__ = [
    "CoarseSimilarities",
    "CoarseWalk",
    "coarse_distributions",
    "inverse_iteration",
    "spread",
]

# regions that are looked for, and how much farther an eigenvalue may be from the largest than for
# all cells
_MOST_VECTORS, _FARTHER = 100, 10.0
# distance of the shift from the largest eigenvalue that is possible, and rounds of the iteration
_SHIFT, _ROUNDS = 0.01, 8
# singular value from which a direction belongs to a space
_REAL = 1e-8


@dataclass(frozen=True, eq=False)
class CoarseWalk:
    """A random walk between groups of cells.

    Attributes
    ----------
    group_of
        Number of each cell's group, shape (cells,).
    shares
        Share of each cell in its group, shape (cells,); those of a group sum to 1.
    step
        Transposed transition probabilities, groups × groups, if walks in a group are in its cells
        by these shares.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import CoarseWalk
    >>> shares, step = np.array([0.5, 0.5, 1.0]), np.array([[0.5, 0.0], [0.5, 1.0]])
    >>> CoarseWalk(np.array([0, 0, 1]), shares, step).step.sum(axis=0)
    array([1., 1.])
    """

    group_of: NDArray[np.int32]
    shares: Float64Array
    step: Float64Array


@dataclass(frozen=True, eq=False)
class CoarseSimilarities:
    """Similarities of cells, summed between groups of cells.

    Attributes
    ----------
    group_of
        Number of each cell's group, shape (cells,).
    sums
        Function of weights w of cells: sums of w_i s_ij w_j over the cells i of one group and j of
        another, groups × groups.
    around
        Operator that computes means over each cell's neighbourhood, cells × cells.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse.linalg import aslinearoperator
    >>> from steadyvelo.model import CoarseSimilarities
    >>> member = np.eye(2)[[0, 0, 1, 1]]
    >>> def sums(weights):
    ...     return member.T @ np.outer(weights, weights) @ member
    >>> around = aslinearoperator(np.eye(4))
    >>> coarse = CoarseSimilarities(np.array([0, 0, 1, 1]), sums, around)
    >>> coarse.sums(np.ones(4)).tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """

    group_of: NDArray[np.int32]
    sums: Callable[[Float64Array], Float64Array]
    around: LinearOperator


def spread(group_of: NDArray[np.int32], weights: Float64Array) -> sp.csr_array[np.float64]:
    """Return the matrix cells × groups that has the weight of each cell in its group."""
    return sp.csr_array((weights, group_of, np.arange(len(group_of) + 1)))


def inverse_iteration(
    solve: Callable[[Float64Array], Float64Array], n_groups: int, n_vectors: int, n_rounds: int
) -> Float64Array:
    """Return a basis of the eigenvectors that a small inverse enlarges most; `solve` applies it."""
    space: Float64Array = np.random.default_rng(0).random((n_groups, n_vectors))
    for _ in range(n_rounds):
        space = orthonormal(solve(space))[0]
    return space


def coarse_distributions(coarse: CoarseWalk, tolerance: float) -> Float64Array:
    """Return distributions that decay slowly, shape (cells, regions), from the small walk."""
    values, vectors = _slowest(coarse.step)
    lasting = values.real >= values.real.max() - _FARTHER * tolerance
    both = np.hstack([vectors[:, lasting].real, vectors[:, lasting].imag])
    basis, lengths, _ = np.linalg.svd(both, full_matrices=False)
    of_cells = spread(coarse.group_of, coarse.shares)
    return np.asarray(of_cells @ basis[:, lengths > _REAL])


def _slowest(step: Float64Array) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return the eigenvalues of a small matrix that are nearest to 1, and their vectors."""
    n = len(step)
    factors = lu_factor((1.0 + _SHIFT) * np.eye(n) - step)
    space = inverse_iteration(partial(lu_solve, factors), n, min(n, _MOST_VECTORS), _ROUNDS)
    values, coordinates = np.linalg.eig(space.T @ step @ space)
    return values, space @ coordinates
