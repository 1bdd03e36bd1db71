"""How often steps along a velocity graph lead from one cluster to another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ._kernels._cluster_flows import add_flows, write_flows
from ._threads import for_rows, in_threads, row_parts
from ._transitions import triple

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float64Array, IntArray

__all__ = ["ClusterFlows", "cluster_flows", "flows_into"]


@dataclass(frozen=True, eq=False)
class ClusterFlows:
    r"""Steps from clusters (rows) to clusters (columns).

    These are sums of transition probabilities, :math:`\sum_{i \in a} \sum_{j \in b} T_{ij}`.

    Attributes
    ----------
    along
        With the transition probabilities :math:`T_{ij} \propto e^{\lambda c_{ij}}`, shape
        (clusters, clusters).
    against
        With velocities of the opposite sign, :math:`T_{ij} \propto e^{-\lambda c_{ij}}`.
    alike
        If all edges of a cell are equally probable.
    cells
        Number of cells with edges in each cluster, shape (clusters,).

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo import engine
    >>> graph = sp.csr_matrix(([0.5], ([0], [1])), shape=(3, 3))
    >>> graph_neg = sp.csr_matrix(([-0.5], ([0], [2])), shape=(3, 3))
    >>> codes = np.array([0, 1, 2])
    >>> flows: engine.ClusterFlows = engine.cluster_flows(graph, graph_neg, codes, 3)
    >>> flows.cells.tolist(), flows.alike[0].tolist()
    ([1, 0, 0], [0.0, 0.5, 0.5])
    """

    along: Float64Array
    against: Float64Array
    alike: Float64Array
    cells: IntArray


def cluster_flows(
    graph: sp.csr_matrix[Any],
    graph_neg: sp.csr_matrix[Any],
    codes: NDArray[np.integer[Any]],
    n_clusters: int,
    *,
    scale: float = 10.0,
    n_threads: int = 1,
) -> ClusterFlows:
    """Sum the transition probabilities between clusters; no matrix of cells is stored.

    Parameters
    ----------
    graph, graph_neg
        Positive and negative correlations, cells × cells; no edge is in both. An edge from a cell
        to itself does not count.
    codes
        Number of each cell's cluster, shape (cells,); −1 for cells without one.
    n_clusters
        Number of clusters.
    scale
        λ of the probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import cluster_flows
    >>> graph = sp.csr_matrix(([0.5], ([0], [1])), shape=(3, 3))
    >>> graph_neg = sp.csr_matrix(([-0.5], ([0], [2])), shape=(3, 3))
    >>> flows = cluster_flows(graph, graph_neg, np.array([0, 1, 2]), 3, scale=np.log(3))
    >>> flows.along[0].round(5).tolist(), flows.against[0].round(5).tolist()
    ([0.0, 0.75, 0.25], [0.0, 0.25, 0.75])
    """
    # parts depend on the graph only, so that sums do not depend on the number of threads
    parts = row_parts(graph.indptr)
    sums = np.zeros((len(parts), 3, n_clusters, n_clusters))
    counts = np.zeros((len(parts), n_clusters), dtype=np.int64)
    given = triple(graph), triple(graph_neg), scale, np.asarray(codes, dtype=np.int64)
    tasks = [
        partial(add_flows, *given, own, cells, *part)
        for own, cells, part in zip(sums, counts, parts, strict=True)
    ]
    in_threads(tasks, n_threads)
    along, against, alike = sums.sum(axis=0)
    return ClusterFlows(along, against, alike, counts.sum(axis=0))


def flows_into(
    graph: sp.csr_matrix[Any],
    graph_neg: sp.csr_matrix[Any],
    cells: NDArray[np.integer[Any]],
    target: NDArray[np.bool_],
    *,
    scale: float = 10.0,
    n_threads: int = 1,
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return how probable a step of each of some cells into a set of cells is.

    Parameters
    ----------
    graph, graph_neg, scale
        As in :func:`cluster_flows`.
    cells
        Places of the cells whose steps count.
    target
        Whether a cell is in the set, shape (cells of the graph,).

    Returns
    -------
    The probabilities along the velocities, against them, and if all edges of a cell are equally
    probable, each of the shape of `cells`; 0 for cells without edges.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import flows_into
    >>> graph = sp.csr_matrix(([0.5], ([0], [1])), shape=(3, 3))
    >>> graph_neg = sp.csr_matrix(([-0.5], ([0], [2])), shape=(3, 3))
    >>> target = np.array([False, True, False])
    >>> [x.round(5).tolist() for x in flows_into(graph, graph_neg, [0], target, scale=np.log(3))]
    [[0.75], [0.25], [0.5]]
    """
    chosen = np.asarray(cells, dtype=np.int64)
    codes = np.where(target, 0, -1).astype(np.int64)
    out = np.empty((len(chosen), 3))
    work = partial(write_flows, triple(graph), triple(graph_neg), scale, codes, chosen, out)
    for_rows(work, len(chosen), n_threads)
    along, against, alike = np.ascontiguousarray(out.T)
    return along, against, alike
