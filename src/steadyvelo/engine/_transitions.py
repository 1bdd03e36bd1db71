"""Transition probabilities from correlations, and arrows from transition probabilities."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ._kernels._transitions import arrow_rows, count_transitions, transition_rows
from ._order import CellOrder
from ._threads import for_rows

if TYPE_CHECKING:
    from steadyvelo.model._typing import BoolArray, Float64Array

__all__ = [
    "project_transitions",
    "self_transition_probability",
    "transition_probabilities",
    "triple",
    "with_diffusion",
]


def self_transition_probability(
    graph: sp.csr_matrix[Any], cells: BoolArray | None = None
) -> Float64Array:
    """Return the correlation that each cell gets with itself: clip(P98(c) − c, 0, 1).

    c is a cell's largest positive correlation, and P98 is the 98th percentile of c over the given
    cells, by default all.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import self_transition_probability
    >>> graph = sp.csr_matrix([[0.0, 0.5], [1.0, 0.0]])
    >>> self_transition_probability(graph).round(6).tolist()
    [0.49, 0.0]
    """
    largest = graph.max(axis=1).toarray().ravel().astype(np.float64)
    usual = np.percentile(largest if cells is None else largest[cells], 98)
    return np.clip(usual - largest, 0.0, 1.0)


def transition_probabilities(
    graph: sp.csr_matrix[Any],
    graph_neg: sp.csr_matrix[Any],
    *,
    scale: float = 10.0,
    self_transition: Float64Array | None = None,
    signed: bool = False,
    order: CellOrder | None = None,
    n_threads: int = 1,
) -> sp.csr_matrix[Any]:
    r"""Compute transition probabilities from correlations.

    The correlations :math:`c_{ij}` belong to stored edges; self-transitions are on the diagonal:

    - unsigned: :math:`\exp(\lambda c_{ij})`, rows divided by their sums;
    - signed: :math:`\mathrm{sign}(c_{ij})\,\mathrm{expm1}(\lambda |c_{ij}|)`, rows divided by their
      sums of absolute values, after which the diagonal is dropped.

    Parameters
    ----------
    graph, graph_neg
        Positive and negative correlations, cells × cells; no edge is in both.
    scale
        λ = 1/σ, where σ is the width of the kernel.
    self_transition
        Diagonal before the exponential, shape (cells,); 0 means no edge. None means no diagonal.
    order
        Order of rows and columns of the result; None means the order of the cells.

    Returns
    -------
    Rows × rows, float32; the entries of a row are in the order of the cells. For a cell without
    edges, the row is empty; with self-transitions, the cell stays with probability 1.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import transition_probabilities
    >>> graph = sp.csr_matrix(([0.5], ([0], [1])), shape=(3, 3))
    >>> graph_neg = sp.csr_matrix(([-0.5], ([0], [2])), shape=(3, 3))
    >>> transitions = transition_probabilities(graph, graph_neg, scale=np.log(3))
    >>> transitions.toarray()[0].round(5).tolist()
    [0.0, 0.75, 0.25]
    """
    n_cells = graph.shape[0]
    rows = order or CellOrder.identity(n_cells)
    made_of = _operands(graph, graph_neg, self_transition)
    # arrows lead to other cells only
    keep_own = not signed or self_transition is None
    degrees = np.zeros(n_cells + 1, dtype=np.int64)
    count = partial(count_transitions, *made_of, keep_own, rows.cell_of_row, degrees[1:])
    for_rows(count, n_cells, n_threads)
    indptr = np.cumsum(degrees)
    out = (indptr, np.empty(indptr[-1], dtype=np.int32), np.empty(indptr[-1], dtype=np.float32))
    places = rows.cell_of_row, rows.row_of_cell
    fill = partial(transition_rows, *made_of, scale, signed, keep_own, *places, out)
    for_rows(fill, n_cells, n_threads)
    return sp.csr_matrix((out[2], out[1], indptr), shape=graph.shape)


def with_diffusion(
    transitions: sp.csr_matrix[Any], connectivities: Any, share: float
) -> sp.csr_matrix[Any]:
    r"""Mix transition probabilities with those of a random walk on the neighbour graph.

    .. math:: (1 - w)\, T + w\, T^c, \quad T^c_{ij} = a_{ij} / \textstyle\sum_k a_{ik}

    with the share w and the connectivities a, cells × cells. A row that is empty in one of both is
    that of the other. The result is float32.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import with_diffusion
    >>> transitions = sp.csr_matrix([[0.0, 1.0], [0.0, 0.0]])
    >>> with_diffusion(transitions, sp.csr_matrix([[1.0, 1.0], [2.0, 0.0]]), 0.5).toarray()
    array([[0.25, 0.75],
           [1.  , 0.  ]], dtype=float32)
    """
    walk = sp.csr_matrix(connectivities, dtype=np.float64)
    sums = np.asarray(walk.sum(axis=1)).ravel()
    walks, moves = sums > 0, np.diff(transitions.indptr) > 0
    of_walk = np.where(moves & walks, share, 1.0) * walks
    of_transitions = np.where(moves & walks, 1.0 - share, 1.0) * moves
    scaled = np.divide(of_walk, sums, out=np.zeros_like(sums), where=walks)
    left: Any = sp.diags_array(of_transitions)
    right: Any = sp.diags_array(scaled)
    mixed = sp.csr_matrix(left @ transitions + right @ walk, dtype=np.float32)
    mixed.sort_indices()
    return mixed


def project_transitions(
    graph: sp.csr_matrix[Any],
    graph_neg: sp.csr_matrix[Any],
    embedding: Float64Array,
    *,
    scale: float = 10.0,
    self_transition: Float64Array | None = None,
    n_threads: int = 1,
) -> Float64Array:
    r"""Return the mean step on an embedding under signed transition probabilities.

    .. math::
        a_i = \sum_j T_{ij} d_{ij} - \bar T_i \sum_j d_{ij},
        \quad d_{ij} = (e_j - e_i) / \lVert e_j - e_i \rVert

    j runs over the entries of row i of the signed T of :func:`transition_probabilities`, whose rows
    are computed and not stored. d = 0 if two cells have the same coordinates. The second term
    subtracts the step that is expected by chance. The embedding e and arrows are float64, shape
    (cells, dimensions); arrows are NaN for cells without edges.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import project_transitions
    >>> graph = sp.csr_matrix(([0.5], ([0], [1])), shape=(3, 3))
    >>> graph_neg = sp.csr_matrix(([-0.5], ([0], [2])), shape=(3, 3))
    >>> embedding = np.array([[0.0, 0.0], [4.0, 0.0], [-1.0, 0.0]])
    >>> project_transitions(graph, graph_neg, embedding)[0].round(5).tolist()
    [1.0, 0.0]
    """
    made_of, keep_own = _operands(graph, graph_neg, self_transition), self_transition is None
    out = np.empty(embedding.shape)
    work = partial(arrow_rows, *made_of, scale, keep_own, embedding, out)
    for_rows(work, len(embedding), n_threads)
    return out


def _operands(
    graph: sp.csr_matrix[Any], graph_neg: sp.csr_matrix[Any], self_transition: Float64Array | None
) -> tuple[Any, Any, Float64Array]:
    """Return both graphs and the diagonal as arguments of kernels."""
    stay = np.zeros(graph.shape[0]) if self_transition is None else self_transition
    return triple(graph), triple(graph_neg), stay


def triple(graph: sp.csr_matrix[Any]) -> tuple[Any, Any, Any]:
    """Return a graph as an argument of kernels: without repeated entries, rows sorted."""
    if not graph.has_canonical_format:
        # a copy, because summing and sorting would change the user's arrays
        graph = graph.copy()
        graph.sum_duplicates()
    return graph.indptr, graph.indices, graph.data
