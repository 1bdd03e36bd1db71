"""From correlations to transition probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ._kernels._transitions import count_transitions, transition_rows
from ._threads import for_rows

if TYPE_CHECKING:
    from steadyvelo.model._typing import BoolArray, Float64Array

__all__ = ["self_transition_probability", "transition_probabilities"]


def self_transition_probability(
    graph: sp.csr_matrix[Any], cells: BoolArray | None = None
) -> Float64Array:
    """Return how much a cell stays where it is: clip(P98(c) − c, 0, 1).

    c is a cell's largest positive correlation, P98 its 98th percentile over cells.

    Parameters
    ----------
    graph
        Positive correlations, cells × cells.
    cells
        Cells over which the percentile is taken, shape (cells,); None means all.

    Returns
    -------
    One value per cell, shape (cells,).
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
        Diagonal before the exponential, shape (cells,); None for no self-transitions. An
        entry of 0 is no edge.
    signed
        Which of the two.
    n_threads
        Number of threads.

    Returns
    -------
    Cells × cells, float32, indices sorted in each row. A cell without edges has an empty row, or
    stays where it is with probability 1 where there are self-transitions.
    """
    n_cells = graph.shape[0]
    stay = np.zeros(n_cells) if self_transition is None else self_transition
    positive, negative = (_triple(part) for part in (graph, graph_neg))
    # arrows are drawn to other cells
    keep_own = not signed or self_transition is None
    degrees = np.zeros(n_cells + 1, dtype=np.int64)

    def count(start: int, stop: int) -> None:
        count_transitions(positive, negative, stay, keep_own, degrees[1:], start, stop)

    for_rows(count, n_cells, n_threads)
    indptr = np.cumsum(degrees)
    indices, data = np.empty(indptr[-1], dtype=np.int32), np.empty(indptr[-1], dtype=np.float32)

    def fill(start: int, stop: int) -> None:
        out = (indptr, indices, data)
        transition_rows(positive, negative, stay, scale, signed, keep_own, out, start, stop)

    for_rows(fill, n_cells, n_threads)
    return sp.csr_matrix((data, indices, indptr), shape=graph.shape)


def _triple(graph: sp.csr_matrix[Any]) -> tuple[Any, Any, Any]:
    if not graph.has_canonical_format:
        # a copy: summing and sorting would work in the user's arrays
        graph = graph.copy()
        graph.sum_duplicates()
    return graph.indptr, graph.indices, graph.data
