"""Distances between cells along a random walk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._typing import Float64Array

__all__ = ["DiffusionMap"]

# an eigenvalue above this belongs to a part of the graph, not to a direction in it
_STATIONARY = 0.9994
# relative: similarities in float32 know no more digits
_PRECISION = 1e-8
# vectors of the search: with fewer it restarts often and takes more products
_SEARCHED = 80


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
        similarities: sp.csr_matrix[Any],
        *,
        n_components: int = 10,
        rng: int = 0,
        operator: Callable[[sp.csr_matrix[Any]], LinearOperator] = aslinearoperator,
    ) -> Self:
        """Make the map of symmetric similarities, cells × cells, with a seeded start vector.

        `operator` is how a matrix is multiplied with vectors.

        Examples
        --------
        >>> import numpy as np, scipy.sparse as sp
        >>> chain = sp.csr_matrix(np.eye(9) + np.eye(9, k=1) + np.eye(9, k=-1))
        >>> distance = DiffusionMap.of(chain, n_components=4).distances(0)
        >>> bool(distance[8] > distance[4] > distance[0] == 0)
        True
        """
        n_cells = similarities.shape[0]
        edges = sp.csr_matrix(similarities, dtype=np.float64)
        product = operator(edges)
        # M = D S D, with the sums of K by one product of S
        within = _inverse(product @ np.ones(n_cells))
        scale = within * np.sqrt(_inverse(within * (product @ within)))
        walk = LinearOperator(
            edges.shape, matvec=lambda v: scale * (product @ (scale * v)), dtype=edges.dtype
        )
        start = np.random.default_rng(rng).random(n_cells)
        k = min(n_components, n_cells - 1)
        ncv = min(max(_SEARCHED, 2 * k + 1), n_cells)
        values, vectors = eigsh(walk, k=k, which="LM", v0=start, ncv=ncv, tol=_PRECISION)
        order = np.argsort(-values)
        _, parts = connected_components(edges, directed=False)
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
