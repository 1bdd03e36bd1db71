"""Steps of random walks along the edges of a velocity graph and against them, as operators."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from ._kernels._transposed import write_transposed
from ._kernels._walks import add_largest, write_weights
from ._products import row_products
from ._threads import for_rows, in_threads
from ._transposed import transposed_places

if TYPE_CHECKING:
    from steadyvelo.model._typing import Float64Array

    from ._cell_groups import CellGroups

__all__ = ["Steps", "steps_against", "steps_along", "transposed_sum"]


def steps_along(turned: sp.csr_matrix[Any], scale: float, n_threads: int = 1) -> Steps:
    r"""Return the operator that computes :math:`T^\top \pi`, a step of a walk along the edges.

    Walks go along an edge with the probability :math:`T_{ij} \propto e^{\lambda c_{ij}}`, summed
    over j to 1. A distribution over cells is turned into that after one step. Walks end in cells
    without edges.

    Parameters
    ----------
    turned
        :func:`transposed_sum` of the correlations, cells × cells.
    scale
        λ of the probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import steps_along, transposed_sum
    >>> graph = sp.csr_matrix(([0.5], ([0], [1])), shape=(3, 3))
    >>> graph_neg = sp.csr_matrix(([-0.5], ([0], [2])), shape=(3, 3))
    >>> step = steps_along(transposed_sum(graph, graph_neg), np.log(3))
    >>> (step @ np.array([1.0, 0.0, 0.0])).round(5).tolist()
    [0.0, 0.75, 0.25]
    """
    return _steps([turned], scale, n_threads)


def steps_against(
    graph: sp.csr_matrix[Any], graph_neg: sp.csr_matrix[Any], scale: float, n_threads: int = 1
) -> Steps:
    r"""Return the operator that computes :math:`B^\top \pi`, a step of a walk against the edges.

    Walks go from j to i, against an edge from i to j, with the probability :math:`B_{ji} \propto
    e^{\lambda c_{ij}}`, summed over i to 1. Walks end in cells to which no edge leads.

    Parameters
    ----------
    graph, graph_neg
        Positive and negative correlations, cells × cells; no edge is in both.
    scale
        λ of the probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import steps_against
    >>> graph = sp.csr_matrix(([1.0, 0.5], ([0, 1], [2, 2])), shape=(3, 3))
    >>> step = steps_against(graph, sp.csr_matrix((3, 3)), 2 * np.log(2))
    >>> (step @ np.array([0.0, 0.0, 1.0])).round(5).tolist()
    [0.66667, 0.33333, 0.0]
    """
    return _steps([graph, graph_neg], scale, n_threads)


def transposed_sum(
    graph: sp.csr_matrix[Any], graph_neg: sp.csr_matrix[Any], n_threads: int = 1
) -> sp.csr_matrix[Any]:
    """Return the transpose of the sum of two graphs, cells × cells, float32.

    An edge that is in both has two entries. Products with the rows of the transpose are twice as
    fast as products with the transposed rows.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import transposed_sum
    >>> graph, graph_neg = sp.csr_matrix([[0.0, 0.5], [0, 0]]), sp.csr_matrix([[0, 0], [-1.0, 0]])
    >>> transposed_sum(graph, graph_neg).toarray().tolist()
    [[0.0, -1.0], [0.5, 0.0]]
    """
    graphs = graph, graph_neg
    parts, indptr = transposed_places(
        [(x.indptr, x.indices) for x in graphs], graph.shape[1], n_threads
    )
    indices = np.empty(indptr[-1], dtype=np.int32)
    data = np.empty(indptr[-1], dtype=np.float32)
    write = []
    for part in parts:
        x = graphs[part.matrix]
        given = x.indptr, x.indices, x.data, part.start, part.stop, part.places
        write.append(partial(write_transposed, *given, indices, data))
    in_threads(write, n_threads)
    return sp.csr_matrix((data, indices, indptr), shape=graph.shape[::-1])


class Steps(LinearOperator):
    """One step of walks, as an operator on distributions over cells.

    It is the sum of `weighted`, cells × cells, with columns divided by their sums.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import CellGroups, Steps
    >>> step = Steps([sp.csr_matrix([[0.0, 3.0], [2.0, 1.0]])], n_threads=1)
    >>> (step @ np.eye(2)).tolist()
    [[0.0, 0.75], [1.0, 0.25]]
    >>> step.between(CellGroups(np.zeros(2, dtype=np.int32), 1), np.array([0.5, 0.5])).tolist()
    [[1.0]]
    """

    def __init__(self, weighted: list[sp.csr_matrix[Any]], n_threads: int) -> None:
        # the types of scipy do not know this constructor
        super().__init__(np.float64, weighted[0].shape)  # type: ignore[call-arg]
        self._weighted, self._n_threads = weighted, n_threads
        self._product = row_products(*weighted, n_threads=n_threads)
        sums = self._product.rmatvec(np.ones(self.shape[0]))
        self._shares = np.divide(1.0, sums, where=sums > 0, out=np.zeros_like(sums))

    def _matvec(self, vector: Float64Array) -> Float64Array:
        stepped: Float64Array = self._product @ (self._shares * vector.ravel())
        return stepped

    def _matmat(self, vectors: Float64Array) -> Float64Array:
        stepped: Float64Array = self._product @ (self._shares[:, None] * vectors)
        return stepped

    def between(self, groups: CellGroups, shares: Float64Array) -> Float64Array:
        """Return one step between groups of cells, each of which is left from `shares` of cells."""
        rows, columns = np.ones(self.shape[0]), self._shares * shares
        sums = [groups.sums(x, rows, columns, self._n_threads) for x in self._weighted]
        return np.asarray(np.sum(sums, axis=0))


def _steps(graphs: list[sp.csr_matrix[Any]], scale: float, n_threads: int) -> Steps:
    """Return products with exp(λc), divided by the sums of columns.

    The largest of a column is subtracted first, so that nothing overflows, and not everything in a
    column underflows if λ is large.
    """
    n_cells = graphs[0].shape[0]
    top = np.full(n_cells, -np.inf, dtype=np.float32)
    for graph in graphs:
        add_largest(graph.indices, graph.data, top)
    weighted = []
    for graph in graphs:
        weights = np.empty(graph.nnz, dtype=np.float32)
        work = partial(write_weights, graph.indptr, graph.indices, graph.data, scale, top, weights)
        for_rows(work, n_cells, n_threads)
        weighted.append(sp.csr_matrix((weights, graph.indices, graph.indptr), shape=graph.shape))
    return Steps(weighted, n_threads)
