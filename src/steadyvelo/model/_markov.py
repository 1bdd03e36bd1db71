"""Where a Markov chain of cells lingers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.linalg import eigs

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

    from ._typing import Float64Array

__all__ = ["lasting_distributions", "share_of_largest"]

# eigenvectors looked at: more than there are ends of lineages in one data set
_VECTORS = 10
# vectors of the search: with fewer it restarts often and takes several times the products
_SEARCHED = 60
# relative: correlations in float32 know no more digits, and every other one costs products
_PRECISION = 1e-8


def lasting_distributions(
    step: LinearOperator, *, tolerance: float = 1e-3, rng: int = 0
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
    tolerance
        How far below the largest λ another may be.
    rng
        Seed of the vector that the iteration starts from.

    Returns
    -------
    Absolute values of the eigenvectors, shape (cells, regions), and their λ, descending.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse.linalg import aslinearoperator
    >>> walk = np.eye(5, k=1) * 0.9 + np.diag([0.1, 0.1, 0.1, 0.1, 1.0])
    >>> vectors, values = lasting_distributions(aslinearoperator(walk.T))
    >>> vectors.argmax(axis=0), values.round(6)
    (array([4]), array([1.]))
    """
    n_cells = step.shape[0]
    start = np.random.default_rng(rng).random(n_cells)
    n_vectors = min(_VECTORS, n_cells - 2)
    ncv = min(_SEARCHED, n_cells)
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
    >>> import numpy as np
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
