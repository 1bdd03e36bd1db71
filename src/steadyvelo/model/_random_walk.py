"""Random walks on a graph: in which cells they stay longest, and diffusion distances of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.linalg import qr
from scipy.sparse.linalg import LinearOperator, eigs, eigsh

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._typing import Float64Array

__all__ = ["DiffusionMap", "lasting_distributions", "share_of_largest"]

# number of eigenvectors computed: more than one data set has ends of lineages
_VECTORS = 10
# dimension of the Krylov space: with fewer vectors the search restarts often and needs several
# times more products; a symmetric walk needs more, because its eigenvalues lie closer together
_SEARCHED_IN_CHAIN, _SEARCHED = 60, (80, 160)
_CELLS_PER_VECTOR = 2_000
# relative; float32 correlations have no more digits, and each further digit needs more products
_PRECISION = 1e-8
# an eigenvalue above this is that of a connected part of the graph
_STATIONARY = 0.9994


def lasting_distributions(
    step: LinearOperator, start: Float64Array, *, tolerance: float = 1e-3
) -> tuple[Float64Array, Float64Array]:
    r"""Return the distributions over cells that decay slowest in a random walk.

    These are left eigenvectors :math:`\pi^\top T = \lambda \pi^\top` of the transition
    probabilities T whose λ is within `tolerance` of the largest. If the rows of T sum to 1, the
    largest λ is 1 and its distribution is stationary. In empty rows walks end; the largest λ is
    then below 1, and its distribution is quasi-stationary, the distribution of walks that have not
    ended.

    Parameters
    ----------
    step
        Operator that computes :math:`T^\top \pi` from π, cells × cells.
    start
        Start vector of the iteration, shape (cells,): positive random numbers.
    tolerance
        Largest difference of a λ from the largest λ.

    Returns
    -------
    Absolute values of a basis of the eigenvectors, shape (cells, regions), and the λ, descending.
    If there are several, each vector of the basis is large in another region.

    Examples
    --------
    >>> from scipy.sparse.linalg import aslinearoperator
    >>> walk = np.eye(5, k=1) * 0.9 + np.diag([0.1, 0.1, 0.1, 0.1, 1.0])
    >>> start = np.random.default_rng(0).random(5)
    >>> vectors, values = lasting_distributions(aslinearoperator(walk.T), start)
    >>> vectors.argmax(axis=0), values.round(6)
    (array([4]), array([1.]))
    """
    n_cells = step.shape[0]
    n_vectors = min(_VECTORS, n_cells - 2)
    ncv = min(_SEARCHED_IN_CHAIN, n_cells)
    found, vectors = eigs(step, k=n_vectors, which="LR", v0=start, ncv=ncv, tol=_PRECISION)
    values: Float64Array = found.real
    order = np.argsort(-values)
    lasting = order[values[order] >= values.max() - tolerance]
    return np.abs(_one_region_each(vectors[:, lasting])), values[lasting]


def _one_region_each(vectors: NDArray[np.complex128]) -> Float64Array:
    """Return the basis of the space of some eigenvectors whose vectors are one region each.

    Eigenvectors whose λ are (nearly) equal can be mixed in any way, and the start and rounding
    decide how a search mixes them. The basis returned depends on the space alone: each vector is 1
    at a cell where all others are 0; these cells are those that the space describes best.
    """
    n_vectors = vectors.shape[1]
    real: Float64Array = vectors.real
    if n_vectors == 1:
        return real
    both = np.hstack([real, vectors.imag])
    space = np.linalg.svd(both, full_matrices=False)[0][:, :n_vectors]
    cells = qr(space.T, mode="economic", pivoting=True)[2][:n_vectors]
    basis: Float64Array = np.linalg.solve(space[cells].T, space.T).T
    basis /= np.linalg.norm(basis, axis=0)
    return basis


def share_of_largest(values: Float64Array, percentile: float = 98.0) -> Float64Array:
    """Scale values to [0, 1] along the first axis, without influence of a few extreme values.

    Parameters
    ----------
    values
        Not negative, shape (cells,) or (cells, columns).
    percentile
        This percentile and all values above it become 1; if it is 0, the largest value becomes 1.

    Returns
    -------
    Shares, of the shape of `values`; 0 if all values are equal.

    Examples
    --------
    >>> share_of_largest(np.array([1.0, 2.0, 3.0, 900.0]), percentile=50).tolist()
    [0.0, 0.6666666666666666, 1.0, 1.0]
    """
    high = np.percentile(values, percentile, axis=0)
    high = np.where(high > 0, high, values.max(axis=0))
    lowest = values.min(axis=0)
    clipped = np.minimum(values, high) - lowest
    shares: Float64Array = np.zeros_like(clipped)
    np.divide(clipped, high - lowest, out=shares, where=high > lowest)
    return shares


@dataclass(frozen=True, eq=False)
class DiffusionMap:
    r"""Eigenvectors of the symmetrised, density-normalised random walk on a graph.

    With similarities S, :math:`K = Q^{-1} S Q^{-1}` for :math:`Q = \mathrm{diag}(S 1)` and :math:`M
    = Z^{-1/2} K Z^{-1/2}` for :math:`Z = \mathrm{diag}(K 1)`, these are the leading eigenvalues λ
    and eigenvectors ψ of M.

    Attributes
    ----------
    eigenvalues
        λ, descending, shape (components,).
    eigenvectors
        ψ, shape (cells, components).
    parts
        Number of the connected part to which each cell belongs, shape (cells,).
    """

    eigenvalues: Float64Array
    eigenvectors: Float64Array
    parts: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        similarities: LinearOperator,
        parts: NDArray[np.int32],
        start: Float64Array,
        *,
        n_components: int = 10,
    ) -> Self:
        """Compute the map from symmetric similarities, cells × cells.

        `parts` are the numbers of the connected parts to which the cells belong, and `start` is the
        start vector of the iteration, of positive random numbers.

        Examples
        --------
        >>> from scipy.sparse.linalg import aslinearoperator
        >>> chain = aslinearoperator(np.eye(9) + np.eye(9, k=1) + np.eye(9, k=-1))
        >>> one_part, start = np.zeros(9, dtype=np.int32), np.random.default_rng(0).random(9)
        >>> distance = DiffusionMap.of(chain, one_part, start, n_components=4).distances(0)
        >>> bool(distance[8] > distance[4] > distance[0] == 0)
        True
        """
        n_cells = similarities.shape[0]
        # M = D S D with a diagonal D; the sums of K need one product with S
        within = _inverse(similarities @ np.ones(n_cells))
        scale = within * np.sqrt(_inverse(within * (similarities @ within)))
        walk = LinearOperator(
            similarities.shape,
            matvec=lambda v: scale * (similarities @ (scale * v)),
            dtype=np.float64,
        )
        k = min(n_components, n_cells - 1)
        ncv = int(np.clip(n_cells // _CELLS_PER_VECTOR, *_SEARCHED))
        ncv = min(max(ncv, 2 * k + 1), n_cells)
        values, vectors = eigsh(walk, k=k, which="LM", v0=start, ncv=ncv, tol=_PRECISION)
        order = np.argsort(-values)
        return cls(values[order], vectors[:, order], parts)

    def distances(self, cell: int) -> Float64Array:
        r"""Return the diffusion distances of all cells from one cell.

        .. math::
            d(i, j)^2 = \sum_k \Bigl(\frac{\lambda_k}{1 - \lambda_k}\Bigr)^2
            (\psi_{ki} - \psi_{kj})^2

        The factor of stationary components is 1. Distances between parts of the graph that are not
        connected are infinite.
        """
        values = self.eigenvalues
        moving = values < _STATIONARY
        factor = np.ones_like(values)
        factor[moving] = values[moving] / (1 - values[moving])
        steps = factor * (self.eigenvectors - self.eigenvectors[cell])
        distance: Float64Array = np.sqrt((steps**2).sum(axis=1))
        distance[self.parts != self.parts[cell]] = np.inf
        return distance


def _inverse(sums: Float64Array) -> Float64Array:
    """Return 1 / sums, and 0 where a sum is 0."""
    return np.divide(1.0, sums, where=sums > 0, out=np.zeros_like(sums))
