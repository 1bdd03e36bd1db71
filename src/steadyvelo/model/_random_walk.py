"""Random walks on a graph: in which cells they stay longest, and diffusion distances of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.linalg import qr
from scipy.sparse.linalg import LinearOperator
from scipy.spatial import KDTree

from ._coarse import coarse_distributions
from ._krylov import KrylovSpace
from ._leading import corrected_eigenvectors
from ._orthonormal import orthonormal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._coarse import CoarseSimilarities, CoarseWalk
    from ._typing import Float64Array

__all__ = ["DiffusionMap", "lasting_distributions", "share_of_largest"]

# vectors in each product at first, and number of regions that are looked for, which is also the
# largest number of vectors in a product
_FIRST_WIDTH, _MOST_REGIONS = 2, 16
# residual below which an eigenvalue counts as one that is there
_EMERGED = 1e-2
# relative; float32 correlations have no more digits, and each further digit needs more products
_PRECISION = 1e-8
# share of the sum of values that is almost all of it
_ALMOST_ALL = 0.99
# an eigenvalue above this is that of the stationary distribution
_STATIONARY = 0.9994


def lasting_distributions(
    step: LinearOperator,
    draw: Callable[[int], Float64Array],
    *,
    tolerance: float = 1e-3,
    coarse: CoarseWalk | None = None,
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
    draw
        Function from a number (0, 1, …) to a start vector of the search, shape (cells,): positive
        random numbers.
    tolerance
        Largest difference of a λ from the largest λ.
    coarse
        The walk between groups of cells, whose distributions the search starts from.

    Returns
    -------
    Absolute values of a basis of the eigenvectors, shape (cells, regions), and the λ, descending.
    If there are several, each vector of the basis is large in another region. Of more than 16
    regions, or more than the groups of cells have, those with the largest λ are returned. There is
    none if no λ is above `tolerance`.

    Examples
    --------
    >>> from scipy.sparse.linalg import aslinearoperator
    >>> walk = np.eye(5, k=1) * 0.9 + np.diag([0.1, 0.1, 0.1, 0.1, 1.0])
    >>> def draw(number):
    ...     return np.random.default_rng(number).random(5)
    >>> vectors, values = lasting_distributions(aslinearoperator(walk.T), draw)
    >>> vectors.argmax(axis=0), values.round(6)
    (array([4]), array([1.]))
    """
    starts = np.empty((step.shape[0], 0))
    if coarse is not None:
        starts = coarse_distributions(coarse, tolerance)
    n_starts = starts.shape[1]

    def start(number: int) -> Float64Array:
        return starts[:, number] if number < n_starts else draw(number - n_starts)

    width, most = max(_FIRST_WIDTH, n_starts + 1), max(_MOST_REGIONS, n_starts)
    space = KrylovSpace(step, start, width, symmetric=False)
    n_least = 0
    while True:
        space.expand()
        found = space.approximations()
        real, residuals = found.values.real, found.residuals
        lowest = real[0] - tolerance
        n_lasting = min(int((real >= lowest).sum()), most)
        emerged = residuals[:n_lasting].max() < _EMERGED
        if emerged and 0 < space.width <= min(n_lasting, most // 2):
            # there may be more with the same eigenvalue than vectors in a product
            space.widen(space.width)
            n_least = 2 * space.n_products
            continue
        exact = (residuals[:n_lasting] <= _PRECISION * np.abs(found.values[:n_lasting])).all()
        # the next eigenvalue, unless all the regions that are looked for are found
        following = slice(n_lasting, n_lasting + (n_lasting < most))
        distance = np.maximum(lowest - real[following], _PRECISION)
        apart = (residuals[following] <= distance).all()
        if (exact and apart and space.n_products >= n_least) or space.width == 0:
            break
    if real[0] <= tolerance:
        # all walks end after a few steps
        n_lasting = 0
    vectors = space.vectors(found.coordinates[:, :n_lasting])
    return np.abs(_one_region_each(vectors)), real[:n_lasting]


def _one_region_each(vectors: NDArray[np.complex128]) -> Float64Array:
    """Return the basis of the space of some eigenvectors whose vectors are one region each.

    Eigenvectors whose λ are (nearly) equal can be mixed in any way, and the start and rounding
    decide how a search mixes them. The basis returned depends on the space alone: each vector is 1
    at a cell where all others are 0; these cells are those that the space describes best.
    """
    n_vectors = vectors.shape[1]
    real: Float64Array = vectors.real
    if n_vectors <= 1:
        return real
    both = np.hstack([real, vectors.imag[:, vectors.imag.any(axis=0)]])
    # singular vectors of the long vectors are those of their triangle
    long, triangle = orthonormal(both)
    space = long @ np.linalg.svd(triangle)[0][:, :n_vectors]
    cells = qr(space.T, mode="economic", pivoting=True)[2][:n_vectors]
    basis: Float64Array = np.linalg.solve(space[cells].T, space.T).T
    basis /= np.linalg.norm(basis, axis=0)
    return basis


def share_of_largest(values: Float64Array, percentile: float = 98.0) -> Float64Array:
    """Scale values to [0, 1] along the first axis, without influence of a few extreme values.

    The smallest value becomes 0. The value that becomes 1, with all above it, is the percentile. If
    the cells above it have almost all of the sum, it is the median of these: the percentile is then
    a value of the cells that have next to nothing of the sum.

    Parameters
    ----------
    values
        Not negative, shape (cells,) or (cells, columns).
    percentile
        0 to 100.

    Returns
    -------
    Shares, of the shape of `values`; 0 if all values are equal.

    Examples
    --------
    >>> share_of_largest(np.append(np.arange(100.0), 900.0))[[0, 49, 98, 100]].tolist()
    [0.0, 0.5, 1.0, 1.0]
    >>> share_of_largest(np.array([0.0, 1e-9, 3.0, 0.0, 0.0]), percentile=75).round(3).tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0]
    """
    columns = values.reshape(len(values), -1)
    high = np.array([_scale_of_largest(column, percentile) for column in columns.T])
    lowest = columns.min(axis=0)
    clipped = np.minimum(columns, high) - lowest
    shares: Float64Array = np.zeros_like(clipped)
    np.divide(clipped, high - lowest, out=shares, where=high > lowest)
    return shares.reshape(values.shape)


def _scale_of_largest(values: Float64Array, percentile: float) -> float:
    """Return the percentile, or the median of the cells with almost all of the sum above it."""
    high = np.percentile(values, percentile)
    largest = np.sort(values[values >= high])[::-1]
    sums = np.cumsum(largest)
    if sums[-1] >= _ALMOST_ALL * values.sum():
        n = int(np.searchsorted(sums, _ALMOST_ALL * sums[-1])) + 1
        high = largest[n // 2]
    return float(high)


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
    """

    eigenvalues: Float64Array
    eigenvectors: Float64Array

    @classmethod
    def of(
        cls,
        similarities: LinearOperator,
        draw: Callable[[int], Float64Array],
        *,
        n_components: int = 10,
        coarse: CoarseSimilarities | None = None,
    ) -> Self:
        """Compute the map from symmetric similarities, cells × cells, that connect all cells.

        `draw` is a function from a number to a start vector of the search, of positive random
        numbers. A component is computed the more exactly, the more it contributes to distances. If
        similarities between groups of cells are given, the search starts from their map.

        Examples
        --------
        >>> from scipy.sparse.linalg import aslinearoperator
        >>> chain = aslinearoperator(np.eye(9) + np.eye(9, k=1) + np.eye(9, k=-1))
        >>> def draw(number):
        ...     return np.random.default_rng(number).random(9)
        >>> distance = DiffusionMap.of(chain, draw, n_components=4).distances(0)
        >>> bool(distance[8] > distance[4] > distance[0] == 0)
        True
        """
        n_cells = similarities.shape[0]
        # M = D S D with a diagonal D; the sums of K need one product with S
        within = _inverse(similarities @ np.ones(n_cells))
        scale = within * np.sqrt(_inverse(within * (similarities @ within)))
        walk = LinearOperator(
            similarities.shape,
            matvec=lambda v: scale * (similarities @ (scale * v.ravel())),
            matmat=lambda v: scale[:, None] * (similarities @ (scale[:, None] * v)),
            dtype=np.float64,
        )
        k = min(n_components, n_cells - 1)
        if coarse is not None:
            stationary = np.divide(within, scale, where=scale > 0, out=np.zeros(n_cells))
            return cls(*corrected_eigenvectors(walk, coarse, scale, stationary, k, _exact))
        space = KrylovSpace(walk, draw, 1, symmetric=True)
        while True:
            space.expand()
            found = space.approximations()
            values = found.values[:k]
            exact = _exact(values, found.residuals[:k])
            if (len(values) == k and exact.all()) or space.width == 0:
                break
        return cls(values, space.vectors(found.coordinates[:, :k]))

    def distances(self, cells: int | NDArray[np.integer[Any]]) -> Float64Array:
        r"""Return the diffusion distances of all cells from one cell, or the nearest of several.

        .. math::
            d(i, j)^2 = \sum_k \Bigl(\frac{\lambda_k}{1 - \lambda_k}\Bigr)^2
            (\psi_{ki} - \psi_{kj})^2

        The factor of the stationary component is 1.
        """
        chosen, factors = np.atleast_1d(cells), _factors(self.eigenvalues)
        distance: Float64Array
        if len(chosen) == 1:
            steps = factors * (self.eigenvectors - self.eigenvectors[chosen])
            distance = np.sqrt((steps**2).sum(axis=1))
        else:
            places = factors * self.eigenvectors
            distance = np.asarray(KDTree(places[chosen]).query(places)[0])
        return distance


def _factors(values: Float64Array) -> Float64Array:
    """Return λ / (1 − λ), and 1 for a stationary component."""
    moving = values < _STATIONARY
    return np.divide(values, 1 - values, where=moving, out=np.ones_like(values))


def _exact(values: Float64Array, residuals: Float64Array) -> NDArray[np.bool_]:
    """Return which components are exact enough, relative to the largest part in distances."""
    share = np.abs(_factors(values))
    exact: NDArray[np.bool_] = residuals * share <= _PRECISION * share.max()
    return exact


def _inverse(sums: Float64Array) -> Float64Array:
    """Return 1 / sums, and 0 where a sum is 0."""
    return np.divide(1.0, sums, where=sums > 0, out=np.zeros_like(sums))
