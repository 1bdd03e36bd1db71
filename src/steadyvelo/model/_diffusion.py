"""Distances between cells along a random walk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._typing import Float64Array

__all__ = ["DiffusionMap"]

# an eigenvalue above this belongs to a part of the graph, not to a direction in it
_STATIONARY = 0.9994
# relative: similarities in float32 know no more digits
_PRECISION = 1e-8
# vectors of the search: with fewer it restarts often and takes more products, and eigenvalues of
# many cells lie closer
_SEARCHED = (80, 160)
_CELLS_PER_VECTOR = 2_000


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
        *,
        n_components: int = 10,
        rng: int = 0,
    ) -> Self:
        """Make the map of symmetric similarities, cells × cells, with a seeded start vector.

        `parts` are the numbers of the connected parts that the cells are in.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.sparse.linalg import aslinearoperator
        >>> chain = aslinearoperator(np.eye(9) + np.eye(9, k=1) + np.eye(9, k=-1))
        >>> one_part = np.zeros(9, dtype=np.int32)
        >>> distance = DiffusionMap.of(chain, one_part, n_components=4).distances(0)
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
        start = np.random.default_rng(rng).random(n_cells)
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
