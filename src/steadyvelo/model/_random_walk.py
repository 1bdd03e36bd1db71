"""Walks of cells at random on a graph: where they linger, and how far cells are apart on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigs, eigsh

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._typing import Float64Array

__all__ = ["DiffusionMap", "lasting_distributions", "share_of_largest"]

# eigenvectors looked at: more than there are ends of lineages in one data set
_VECTORS = 10
# vectors of a search: with fewer it restarts often and takes several times the products; on a
# symmetric walk eigenvalues of many cells lie closer
_SEARCHED_IN_CHAIN, _SEARCHED = 60, (80, 160)
_CELLS_PER_VECTOR = 2_000
# relative: correlations in float32 know no more digits, and every other one costs products
_PRECISION = 1e-8
# an eigenvalue above this belongs to a part of the graph, not to a direction in it
_STATIONARY = 0.9994


def lasting_distributions(
    step: LinearOperator, start: Float64Array, *, tolerance: float = 1e-3
) -> tuple[Float64Array, Float64Array]:
    r"""Return the distributions over cells that a walk keeps longest.

    Left eigenvectors :math:`\pi^\top T = \lambda \pi^\top` of transition probabilities T, whose λ
    is within `tolerance` of the largest. Where rows of T sum to 1 the largest is 1 and its
    distribution stationary. Rows that are empty let walks end; the largest λ is then below 1, and
    its distribution is the quasi-stationary one, that of the walks which are still under way.

    Parameters
    ----------
    step
        What makes :math:`T^\top \pi` of a distribution, cells × cells.
    start
        Vector that the iteration starts from, shape (cells,): positive numbers without a pattern.
    tolerance
        How far below the largest λ another may be.

    Returns
    -------
    Absolute values of the eigenvectors, shape (cells, regions), and their λ, descending.

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
    return np.abs(vectors.real[:, lasting]), values[lasting]


def share_of_largest(values: Float64Array, percentile: float = 98.0) -> Float64Array:
    """Scale values to [0, 1] along the first axis, so that a few extreme ones do not set it.

    Parameters
    ----------
    values
        Not negative, shape (cells,) or (cells, columns).
    percentile
        What becomes 1, as all above it; where it is 0, the largest value does.

    Returns
    -------
    Shares, as `values`; 0 where all values are the same.

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
    r"""Eigenvectors of the symmetrised, density-normalised walk on a graph.

    With similarities S, :math:`K = Q^{-1} S Q^{-1}` for :math:`Q = \mathrm{diag}(S 1)` and
    :math:`M = Z^{-1/2} K Z^{-1/2}` for :math:`Z = \mathrm{diag}(K 1)`, the leading eigenvalues λ
    and eigenvectors ψ of M.

    Attributes
    ----------
    eigenvalues
        λ, descending, shape (components,).
    eigenvectors
        ψ, shape (cells, components).
    parts
        Number of the connected part that each cell is in, shape (cells,).
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
        """Make the map of symmetric similarities, cells × cells.

        `parts` are the numbers of the connected parts that the cells are in; the iteration begins
        at the vector `start`, positive numbers without a pattern.

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
        # M = D S D, with the sums of K by one product of S
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
        r"""Return diffusion pseudotime distances of all cells from one.

        .. math::
            d(i, j)^2 = \sum_k \Bigl(\frac{\lambda_k}{1 - \lambda_k}\Bigr)^2
            (\psi_{ki} - \psi_{kj})^2

        with a factor of 1 for stationary components; infinite between parts of the graph that
        nothing connects.
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
    """Return 1 / sums; 0 where they are."""
    return np.divide(1.0, sums, where=sums > 0, out=np.zeros_like(sums))
