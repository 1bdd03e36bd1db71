"""How well clusters are connected in a neighbour graph, whatever the velocities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import minimum_spanning_tree

from ._threads import row_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float64Array

__all__ = ["cluster_connectivities", "spanning_tree"]


def cluster_connectivities(
    indptr: NDArray[np.integer[Any]],
    indices: NDArray[np.integer[Any]],
    codes: NDArray[np.integer[Any]],
    n_clusters: int,
) -> Float64Array:
    r"""Compare the edges between clusters with what edges to random cells would give.

    .. math:: \min\Bigl(1, \frac{e_{ab} + e_{ba}}
        {(e_a n_b + e_b n_a) / (n - 1)}\Bigr)

    where :math:`e_{ab}` is the number of edges from cluster a to cluster b, :math:`e_a` the number
    of edges that begin in a, and :math:`n_a` its number of cells. This is PAGA's connectivity, as
    scanpy computes it (model v1.2).

    Parameters
    ----------
    indptr, indices
        Pattern of nearest neighbours, CSR.
    codes
        Number of each cell's cluster, shape (cells,); cells with −1 do not count.
    n_clusters
        Number of clusters.

    Returns
    -------
    Connectivities, symmetric, shape (clusters, clusters); 0 where clusters have no edges.

    References
    ----------
    Wolf et al. (2019), https://doi.org/10.1186/s13059-019-1663-x.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.engine import cluster_connectivities
    >>> indptr, indices = np.array([0, 1, 2, 3, 4]), np.array([1, 0, 1, 2])
    >>> cluster_connectivities(indptr, indices, np.array([0, 0, 1, 1]), 2).tolist()
    [[0.0, 0.375], [0.375, 0.0]]
    """
    counts = np.zeros(n_clusters * n_clusters)
    for start, stop in row_chunks(len(indptr) - 1, 1):
        own = np.repeat(codes[start:stop], np.diff(indptr[start : stop + 1])).astype(np.int64)
        other = codes[indices[indptr[start] : indptr[stop]]]
        inside = (own >= 0) & (other >= 0)
        pairs = own[inside] * n_clusters + other[inside]
        counts += np.bincount(pairs, minlength=n_clusters * n_clusters)
    edges = counts.reshape(n_clusters, n_clusters)
    sizes = np.bincount(codes[codes >= 0], minlength=n_clusters)
    begin = edges.sum(axis=1)
    between = edges + edges.T
    np.fill_diagonal(between, 0.0)
    expected = (np.outer(begin, sizes) + np.outer(sizes, begin)) / max(sizes.sum() - 1, 1)
    out: Float64Array = np.zeros_like(between)
    np.divide(between, expected, out=out, where=between > 0)
    return np.minimum(out, 1.0)


def spanning_tree(connectivities: Float64Array) -> sp.csr_matrix[Any]:
    """Return the tree of the strongest connections; each is in one of its two places.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.engine import spanning_tree
    >>> spanning_tree(np.array([[0, 0.5, 0.1], [0.5, 0, 0.2], [0.1, 0.2, 0]])).toarray().tolist()
    [[0.0, 0.5, 0.0], [0.0, 0.0, 0.2], [0.0, 0.0, 0.0]]
    """
    inverse = sp.csr_matrix(connectivities)
    inverse.data = 1.0 / inverse.data
    tree = minimum_spanning_tree(inverse).tocoo()
    values = connectivities[tree.row, tree.col]
    return sp.csr_matrix((values, (tree.row, tree.col)), shape=connectivities.shape)
