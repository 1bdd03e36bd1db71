"""Orthonormal vectors with the span of a few long ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.linalg import LinAlgError, cholesky, inv, qr

if TYPE_CHECKING:
    from ._typing import Float64Array

__all__ = ["INDEPENDENT", "orthonormal", "subtract_projection"]

# what is left of a vector, relative to its length, if it is independent of others
INDEPENDENT = 1e-6
# largest product of two vectors after the first factor, so that the second makes them orthonormal
_NEARLY = 1e-2
# what must be left of a vector, relative to its length, if it is to be projected once only: at most
# 1e-13 of it is then in the space because of rounding errors
_MUCH = 1e-2


def orthonormal(block: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return Q with orthonormal columns and the triangle R for which QR is the block.

    R is the Cholesky factor of the products of the vectors, computed twice because of rounding
    errors (Yamamoto et al. 2015, https://etna.math.kent.edu/vol.44.2015/pp306-326.dir). For long
    vectors, this is several times faster than reflections, which are used where vectors are nearly
    dependent.

    Examples
    --------
    >>> import numpy as np
    >>> vectors, triangle = orthonormal(np.array([[3.0, 1.0], [4.0, 0.0], [0.0, 2.0]]))
    >>> np.allclose(vectors.T @ vectors, np.eye(2)), round(float(triangle[0, 0]), 6)
    (True, 5.0)
    """
    vectors, triangle = block, np.eye(block.shape[1])
    for _ in range(2):
        products = vectors.T @ vectors
        lengths = np.sqrt(np.diag(products))
        if not (lengths > 0).all():
            return _reflected(block)
        try:
            factor = cholesky(products / np.outer(lengths, lengths)).T * lengths
        except LinAlgError:
            return _reflected(block)
        vectors, triangle = vectors @ inv(factor), factor @ triangle
    if np.abs(products - np.eye(len(lengths))).max() > _NEARLY:
        return _reflected(block)
    return vectors, triangle


def subtract_projection(block: Float64Array, basis: Float64Array) -> Float64Array:
    """Subtract from vectors what lies in the space of an orthonormal basis; return coordinates.

    The vectors are changed. If little is left of one, it is done again because of rounding errors.
    """
    lengths = np.linalg.norm(block, axis=0)
    inside = np.asarray(basis.T @ block)
    block -= basis @ inside
    if (np.linalg.norm(block, axis=0) > _MUCH * lengths).all():
        return inside
    more = basis.T @ block
    block -= basis @ more
    return np.asarray(inside + more)


def _reflected(block: Float64Array) -> tuple[Float64Array, Float64Array]:
    vectors, triangle = qr(block)
    return vectors, triangle
