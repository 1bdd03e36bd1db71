"""From correlations to transition probabilities, and to arrows drawn from them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ._kernels._transitions import arrow_rows, count_transitions, transition_rows
from ._order import CellOrder
from ._threads import for_rows

if TYPE_CHECKING:
    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array

__all__ = [
    "project_transitions",
    "self_transition_probability",
    "transition_probabilities",
    "weights_against",
]


def self_transition_probability(
    graph: sp.csr_matrix[Any], cells: BoolArray | None = None
) -> Float64Array:
    """Return how much a cell stays where it is: clip(P98(c) − c, 0, 1).

    c is a cell's largest positive correlation, P98 its 98th percentile over the cells given, or
    over all.
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
    r"""Turn correlations into transition probabilities.

    With correlations :math:`c_{ij}` on stored edges, and self-transitions on the diagonal:

    - unsigned: :math:`\exp(\lambda c_{ij})`, rows divided by their sums;
    - signed: :math:`\mathrm{sign}(c_{ij})\,\mathrm{expm1}(\lambda |c_{ij}|)`, rows divided by the
      sum of absolute values, the diagonal dropped afterwards.

    Parameters
    ----------
    graph, graph_neg
        Positive and negative correlations, cells × cells, patterns disjoint.
    scale
        λ = 1/σ, the inverse width of the kernel.
    self_transition
        Diagonal before the exponential, shape (cells,), where 0 is no edge; None for none.
    order
        The order in which rows and columns shall stand; None means that of the cells.

    Returns
    -------
    Rows × rows, float32, entries of a row in the order of the cells. A cell without edges has an
    empty row, or stays where it is with probability 1 where there are self-transitions.
    """
    n_cells = graph.shape[0]
    rows = order or CellOrder.identity(n_cells)
    made_of = _operands(graph, graph_neg, self_transition)
    # arrows are drawn to other cells
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


def weights_against(edges: sp.csr_matrix[Any], scale: float, n_threads: int = 1) -> Float32Array:
    r"""Return :math:`e^{\lambda (c_{ij} - \max_i c_{ij})}` per edge, for steps against edges.

    Over the edges that lead to a cell they are proportional to the probabilities to go back
    along each, and the largest is 1, so that none is lost for a large λ, the `scale`.
    """
    top = np.full(edges.shape[1], -np.inf, dtype=edges.data.dtype)
    np.maximum.at(top, edges.indices, edges.data)
    weights = np.empty(edges.nnz, dtype=np.float32)

    def fill(start: int, stop: int) -> None:
        part = slice(edges.indptr[start], edges.indptr[stop])
        below = edges.data[part].astype(np.float64) - top[edges.indices[part]]
        np.exp(scale * below, out=weights[part], casting="same_kind")

    for_rows(fill, edges.shape[0], n_threads)
    return weights


def project_transitions(
    graph: sp.csr_matrix[Any],
    graph_neg: sp.csr_matrix[Any],
    embedding: Float64Array,
    *,
    scale: float = 10.0,
    self_transition: Float64Array | None = None,
    n_threads: int = 1,
) -> Float64Array:
    r"""Mean displacement on an embedding under signed transition probabilities, above chance.

    .. math::
        a_i = \sum_j T_{ij} d_{ij} - \bar T_i \sum_j d_{ij},
        \quad d_{ij} = (e_j - e_i) / \lVert e_j - e_i \rVert

    with j over the entries of row i of the signed T that :func:`transition_probabilities` makes of
    the same, but never held as a whole, and d = 0 where two points coincide. The embedding e and
    arrows are float64, shape (cells, dimensions); arrows are NaN for a cell without edges.
    """
    made_of, keep_own = _operands(graph, graph_neg, self_transition), self_transition is None
    out = np.empty(embedding.shape)
    work = partial(arrow_rows, *made_of, scale, keep_own, embedding, out)
    for_rows(work, len(embedding), n_threads)
    return out


def _operands(
    graph: sp.csr_matrix[Any], graph_neg: sp.csr_matrix[Any], self_transition: Float64Array | None
) -> tuple[Any, Any, Float64Array]:
    """Return both graphs and the diagonal as kernels read them."""
    stay = np.zeros(graph.shape[0]) if self_transition is None else self_transition
    return _triple(graph), _triple(graph_neg), stay


def _triple(graph: sp.csr_matrix[Any]) -> tuple[Any, Any, Any]:
    if not graph.has_canonical_format:
        # a copy: summing and sorting would work in the user's arrays
        graph = graph.copy()
        graph.sum_duplicates()
    return graph.indptr, graph.indices, graph.data
