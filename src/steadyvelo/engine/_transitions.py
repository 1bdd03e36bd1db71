"""From correlations to transition probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

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

    Returns
    -------
    Cells × cells, float32, indices sorted in each row. A cell without edges has an empty row, or
    stays where it is with probability 1 where there are self-transitions.
    """
    correlation = sp.csr_matrix(graph + graph_neg, dtype=np.float64)
    if self_transition is not None:
        stay = sp.diags_array(self_transition, format="csr", dtype=np.float64)
        correlation = sp.csr_matrix(correlation + stay)
    correlation.eliminate_zeros()
    correlation.sort_indices()
    rows = np.repeat(np.arange(correlation.shape[0]), np.diff(correlation.indptr))
    c = scale * correlation.data
    # a row's largest exponent cancels in the division; taken out, nothing overflows
    largest = np.full(correlation.shape[0], -np.inf)
    np.maximum.at(largest, rows, np.abs(c) if signed else c)
    top = largest[rows]
    value = np.sign(c) * (np.exp(np.abs(c) - top) - np.exp(-top)) if signed else np.exp(c - top)
    total = np.bincount(rows, weights=np.abs(value), minlength=correlation.shape[0])
    correlation.data = (value / total[rows]).astype(np.float32)
    if signed and self_transition is not None:
        # edges whose probability vanishes in float32 stay: the cell has them
        off = rows != correlation.indices
        counts = np.concatenate([[0], np.cumsum(off)])[correlation.indptr]
        kept = (correlation.data[off], correlation.indices[off], counts)
        correlation = sp.csr_matrix(kept, shape=correlation.shape)
    return correlation
