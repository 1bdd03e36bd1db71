"""Eigenvectors of a large operator, from a space of vectors that grows with each product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import schur
from scipy.linalg.lapack import ztrsen

from ._orthonormal import INDEPENDENT, orthonormal, subtract_projection

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse.linalg import LinearOperator

    from ._typing import Float64Array

__all__ = ["Approximations", "KrylovSpace"]

# dimensions at which the space is reduced to half, at least this number per vector of a product
_MOST, _MOST_PER_VECTOR = 60, 6
# what is left of a vector that lies in the space, relative to its length
_ROUNDING = 1e-12
# singular value of real and imaginary parts from which a direction belongs to a space
_REAL = 1e-8
# vectors that are multiplied before the search is given up
_MOST_MULTIPLIED = 20_000


@dataclass(frozen=True, eq=False)
class Approximations:
    """Approximate eigenvalues, those that are wanted first, and how far they are from exact.

    Attributes
    ----------
    values
        θ, shape (dimensions,).
    coordinates
        Eigenvectors of length 1 in coordinates of the space, shape (dimensions, dimensions).
    residuals
        ‖Ay − θy‖ for each approximate eigenvector y, shape (dimensions,).
    """

    values: NDArray[Any]
    coordinates: NDArray[Any]
    residuals: Float64Array


class KrylovSpace:
    r"""A space that grows by products with an operator A, and A on this space.

    With an orthonormal basis Q of the space, :math:`A Q = Q H + N C`. N are the vectors of the next
    product, which are orthogonal to Q. Eigenvalues of H approximate those of A. An eigenvalue of A
    is found as often as it exists only if N has at least as many vectors. Before the space needs
    too much memory, it is reduced to the half that belongs to the wanted eigenvalues (Stewart 2002,
    https://doi.org/10.1137/S0895479800371529; Zhou and Saad 2008,
    https://doi.org/10.1007/s11075-008-9174-x).

    Parameters
    ----------
    operator
        A, real, cells × cells.
    draw
        Function from a number to a random start vector, shape (cells,).
    width
        Number of vectors in each product.
    symmetric
        Whether A is symmetric. The eigenvalues with the largest real parts are wanted.
    """

    def __init__(
        self,
        operator: LinearOperator,
        draw: Callable[[int], Float64Array],
        width: int,
        *,
        symmetric: bool,
    ) -> None:
        self.operator, self.symmetric = operator, symmetric
        self.n_products = self._n_multiplied = 0
        self._draw, self._n_drawn = draw, 0
        self._size = 0
        self._columns = np.empty((operator.shape[0], 0), order="F")
        self._on_space = np.empty((0, 0))
        self._width = 0
        self._coupling = np.empty((0, 0))
        self.widen(width)

    @property
    def width(self) -> int:
        """Number of vectors in the next product; 0 if the space cannot grow."""
        return self._width

    def widen(self, n_more: int) -> None:
        """Add random vectors to the next product."""
        most = self._columns.shape[0] - self._size - self._width
        n_more = min(n_more, most)
        self._make_room(self._size + self._width + n_more)
        for _ in range(n_more):
            self._add_drawn()
        self._coupling = np.vstack([self._coupling, np.zeros((n_more, self._size))])

    def expand(self) -> None:
        """Add the vectors of the next product to the space.

        Raises a RuntimeError if many products did not suffice, as for a cycle in which each cell
        has an edge to the next one only.
        """
        if self._n_multiplied >= _MOST_MULTIPLIED:
            msg = (
                f"eigenvectors were not found by {self._n_multiplied:,} products: cells have edges "
                "to too few others. Rerun all from pp.neighbors on with a larger n_neighbors=."
            )
            raise RuntimeError(msg)
        if self._size + self._width > max(_MOST, _MOST_PER_VECTOR * self._width):
            self._reduce()
        n_before, width = self._size, self._width
        self._size = size = n_before + width
        product = np.asarray(self.operator @ self._columns[:, n_before:size])
        self.n_products += 1
        self._n_multiplied += width
        self._make_room(size + width)
        inside, outside = self._split(product)
        on_space = np.zeros((size, size))
        on_space[:n_before, :n_before] = self._on_space
        on_space[n_before:, :n_before] = self._coupling
        on_space[:, n_before:] = inside
        self._on_space = on_space
        self._width = len(outside)
        self._coupling = np.hstack([np.zeros((len(outside), n_before)), outside])

    def approximations(self) -> Approximations:
        """Return eigenvalues and eigenvectors of H."""
        if self.symmetric:
            values, coordinates = np.linalg.eigh((self._on_space + self._on_space.T) / 2)
            order = np.argsort(-values, kind="stable")
        else:
            values, coordinates = np.linalg.eig(self._on_space)
            order = np.argsort(-values.real, kind="stable")
        values, coordinates = values[order], coordinates[:, order]
        residuals = np.linalg.norm(self._coupling @ coordinates, axis=0)
        return Approximations(values, coordinates, residuals)

    def vectors(self, coordinates: NDArray[Any]) -> NDArray[Any]:
        """Return vectors over cells from their coordinates, shape (dimensions, vectors)."""
        space = self._columns[:, : self._size]
        if np.isrealobj(coordinates) or not coordinates.imag.any():
            return np.asarray(space @ coordinates.real)
        return np.asarray(space @ coordinates.real + 1j * (space @ coordinates.imag))

    def _split(self, block: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return coordinates of vectors in the space, and in the orthonormal vectors of the rest.

        The vectors of the rest become those of the next product.
        """
        basis = self._columns[:, : self._size]
        lengths = np.linalg.norm(block, axis=0)
        inside = subtract_projection(block, basis)
        room = self._columns.shape[0] - self._size
        if room >= block.shape[1]:
            rest, outside = orthonormal(block)
            if (np.abs(np.diag(outside)) > INDEPENDENT * lengths).all():
                self._width = block.shape[1]
                self._columns[:, self._size : self._size + self._width] = rest
                return inside, outside
        return self._split_singly(block, inside, lengths)

    def _split_singly(
        self, block: Float64Array, inside: Float64Array, lengths: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Do the same one vector after the other, since some may lie in the space of the others."""
        room = self._columns.shape[0] - self._size
        self._width = 0
        outside = np.zeros((min(block.shape[1], room), block.shape[1]))
        for k, vector in enumerate(block.T[: len(outside)]):
            known, rest = self._columns[:, : self._size + k], vector
            # again, because of rounding errors, until hardly anything in the space is left
            for _ in range(3):
                before = float(np.linalg.norm(rest))
                along = known.T @ rest
                rest = rest - known @ along
                inside[:, k] += along[: self._size]
                outside[:k, k] += along[self._size :]
                length = float(np.linalg.norm(rest))
                if length > before / 2:
                    break
            if length > _ROUNDING * lengths[k]:
                self._columns[:, self._size + k] = rest / length
                outside[k, k] = length
                self._width += 1
            else:
                # the products lie in the space, so another start is necessary
                self._add_drawn()
        for k in range(len(outside), block.shape[1]):
            outside[:, k] = self._columns[:, self._size : self._size + len(outside)].T @ block[:, k]
        return inside, outside

    def _add_drawn(self) -> None:
        """Add a random vector, orthogonal to all others, to the next product."""
        n_known = self._size + self._width
        known = self._columns[:, :n_known]
        vector = self._draw(self._n_drawn)
        self._n_drawn += 1
        for _ in range(2):
            vector = vector - known @ (known.T @ vector)
            vector = vector / np.linalg.norm(vector)
        self._columns[:, n_known] = vector
        self._width += 1

    def _make_room(self, n_columns: int) -> None:
        """Allocate columns for the space and the next product."""
        n_rows, n_there = self._columns.shape
        if n_columns > n_there:
            wide = max(_MOST, _MOST_PER_VECTOR * self._width) + 2 * self._width
            columns = np.empty((n_rows, min(max(n_columns, wide), n_rows)), order="F")
            columns[:, :n_there] = self._columns
            self._columns = columns

    def _reduce(self) -> None:
        """Keep the half of the space that belongs to the wanted eigenvalues."""
        n_kept = self._size // 2
        if self.symmetric:
            kept: Float64Array = self.approximations().coordinates[:, :n_kept]
        else:
            kept = _leading_space(self._on_space, n_kept)
        n_kept, following = kept.shape[1], slice(self._size, self._size + self._width)
        self._columns[:, :n_kept] = self._columns[:, : self._size] @ kept
        self._columns[:, n_kept : n_kept + self._width] = self._columns[:, following].copy()
        self._on_space = kept.T @ self._on_space @ kept
        self._coupling = self._coupling @ kept
        self._size = n_kept


def _leading_space(matrix: Float64Array, n_least: int) -> Float64Array:
    """Return an orthonormal basis of the invariant space of eigenvalues with large real parts.

    It has about `n_least` dimensions: eigenvalues that lie close together are not divided.
    """
    triangle, turned = schur(matrix, output="complex")
    real = np.sort(np.diag(triangle).real)[::-1]
    choices = slice(n_least - 1, min(n_least + 8, len(real) - 1))
    cut = n_least - 1 + int(np.argmax(-np.diff(real)[choices]))
    wanted = np.diag(triangle).real >= (real[cut] + real[cut + 1]) / 2
    ordered = ztrsen(wanted, triangle, turned, job=b"N")
    space = ordered[1][:, : ordered[3]]
    # with the conjugate space, which is invariant, too, it has a real basis
    vectors, lengths, _ = np.linalg.svd(np.hstack([space.real, space.imag]), full_matrices=False)
    basis: Float64Array = vectors[:, lengths > _REAL]
    return basis
