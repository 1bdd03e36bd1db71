"""Leading eigenvectors of a symmetric walk, from groups of cells and corrected on all of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ._coarse import inverse_iteration, spread
from ._orthonormal import INDEPENDENT, orthonormal, subtract_projection

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse.linalg import LinearOperator

    from ._coarse import CoarseSimilarities
    from ._typing import Float64Array

__all__ = ["corrected_eigenvectors"]

# vectors at the start for each that is wanted, and steps of the walk that make them smooth
_STARTS_EACH, _STEPS = 1.6, 2
# means over neighbourhoods, one of the other, that smooth what is constant in groups
_MEANS = 2
# vectors in a product, which takes hardly longer than one of fewer
_WIDTH = 8
# the walk between groups has the eigenvalue 1, which is moved by this much, and rounds of the
# iteration that finds its eigenvectors
_SHIFT, _ROUNDS = 1e-5, 12
# dimensions at which the space is reduced, for each vector that is wanted
_MOST_EACH = 14
# products before the search is given up
_MOST_PRODUCTS = 300


def corrected_eigenvectors(
    walk: LinearOperator,
    coarse: CoarseSimilarities,
    scale: Float64Array,
    stationary: Float64Array,
    n_wanted: int,
    exact: Callable[[Float64Array, Float64Array], NDArray[np.bool_]],
) -> tuple[Float64Array, Float64Array]:
    r"""Return the largest eigenvalues of a symmetric walk M = D S D, and their eigenvectors.

    The space of the search starts with the eigenvectors of M between groups of cells, after a few
    steps of the walk; the first of them is the stationary one. The largest residuals r are then
    corrected by :math:`r + W P (1 - P^\top M P)^{-1} P^\top r`, which joins the space (Davidson
    1975, https://doi.org/10.1016/0021-9991(75)90065-0). The columns of P are the stationary
    eigenvector, cut into the groups. W smooths what is relative to this eigenvector, by means over
    neighbourhoods.

    Parameters
    ----------
    walk
        M, cells × cells.
    coarse
        S between groups.
    scale
        The diagonal of D, shape (cells,).
    stationary
        Eigenvector of M for the eigenvalue 1, shape (cells,).
    n_wanted
        Number of eigenvectors.
    exact
        Function from eigenvalues and the lengths of their residuals to which are exact enough.

    Returns
    -------
    Eigenvalues, descending, and eigenvectors, shape (cells, wanted).
    """
    stationary = stationary / np.linalg.norm(stationary)
    lengths = np.sqrt(np.bincount(coarse.group_of, weights=stationary**2))
    weights = np.divide(
        stationary,
        lengths[coarse.group_of],
        where=stationary > 0,
        out=np.zeros_like(stationary),
    )
    of_groups = spread(coarse.group_of, weights)
    small = coarse.sums(scale * weights)
    factor = cho_factor((1 + _SHIFT) * np.eye(len(small)) - (small + small.T) / 2)
    n_starts = min(int(_STARTS_EACH * n_wanted), len(small))
    solve = partial(cho_solve, factor)
    inverse = np.divide(1.0, stationary, where=stationary > 0, out=np.zeros_like(stationary))

    def smooth(in_groups: Float64Array) -> Float64Array:
        relative: Float64Array = inverse[:, None] * np.asarray(of_groups @ in_groups)
        for _ in range(_MEANS):
            relative = coarse.around @ relative
        relative *= stationary[:, None]
        return relative

    following = smooth(inverse_iteration(solve, len(small), n_starts, _ROUNDS))
    for _ in range(_STEPS):
        following = walk @ following
    space = _Space(len(stationary), _MOST_EACH * n_wanted + n_starts)
    for _ in range(_MOST_PRODUCTS):
        space.join(following, walk)
        values, turned = space.eigenvectors()
        vectors, residuals = space.residuals(values[:n_wanted], turned[:, :n_wanted])
        sizes = np.linalg.norm(residuals, axis=0)
        left = ~exact(values[:n_wanted], sizes)
        if not left.any() or space.size == len(stationary):
            return values[:n_wanted], vectors
        largest = np.flatnonzero(left)[np.argsort(-sizes[left])[:_WIDTH]]
        unit = residuals[:, largest] / sizes[largest]
        following = unit + smooth(solve(of_groups.T @ unit))
        if space.size > (_MOST_EACH - 1) * n_wanted:
            space.reduce(values[:n_starts], turned[:, :n_starts])
    msg = (
        f"eigenvectors were not found by {_MOST_PRODUCTS} products: cells have edges to too few "
        "others. Rerun all from pp.neighbors on with a larger n_neighbors=."
    )
    raise RuntimeError(msg)


class _Space:
    """A space of at most some dimensions, and the products of an operator with it.

    The first `size` columns of `vectors` are orthonormal, those of `products` are products with
    them, and `on_space` is the operator on the space.
    """

    def __init__(self, n_cells: int, most: int) -> None:
        most = min(most, n_cells)
        self.size = 0
        self.vectors = np.empty((n_cells, most), order="F")
        self.products = np.empty((n_cells, most), order="F")
        self.on_space = np.empty((0, 0))

    def join(self, vectors: Float64Array, operator: LinearOperator) -> None:
        """Add vectors that do not lie in the space, or as many of them as there is room for.

        They are changed.
        """
        own = self.vectors[:, : self.size]
        vectors = vectors[:, : self.vectors.shape[1] - self.size]
        lengths = np.linalg.norm(vectors, axis=0)
        subtract_projection(vectors, own)
        vectors, triangle = orthonormal(vectors)
        vectors = vectors[:, np.abs(np.diag(triangle)) > INDEPENDENT * lengths]
        product = np.asarray(operator @ vectors)
        mixed = own.T @ product
        self.on_space = np.block([[self.on_space, mixed], [mixed.T, vectors.T @ product]])
        new = slice(self.size, self.size + vectors.shape[1])
        self.vectors[:, new], self.products[:, new] = vectors, product
        self.size = new.stop

    def eigenvectors(self) -> tuple[Float64Array, Float64Array]:
        """Return eigenvalues on the space, descending, and eigenvectors in its coordinates."""
        values, turned = np.linalg.eigh((self.on_space + self.on_space.T) / 2)
        return values[::-1], turned[:, ::-1]

    def residuals(
        self, values: Float64Array, turned: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Return vectors over cells from their coordinates, and what they miss as eigenvectors."""
        vectors: Float64Array = self.vectors[:, : self.size] @ turned
        return vectors, self.products[:, : self.size] @ turned - vectors * values

    def reduce(self, values: Float64Array, turned: Float64Array) -> None:
        """Keep the space of some eigenvectors."""
        kept = slice(0, len(values))
        self.vectors[:, kept] = self.vectors[:, : self.size] @ turned
        self.products[:, kept] = self.products[:, : self.size] @ turned
        self.on_space, self.size = np.diag(values), kept.stop
