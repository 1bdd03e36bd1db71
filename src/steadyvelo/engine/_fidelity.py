"""How well arrows on an embedding show the edges of the velocity graph."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ._kernels._fidelity import fidelity_rows
from ._threads import for_rows
from ._transitions import triple

if TYPE_CHECKING:
    import scipy.sparse as sp

    from steadyvelo.model._typing import Float64Array, IntArray

__all__ = ["edge_fidelity"]


def edge_fidelity(
    graph: sp.csr_matrix[Any],
    graph_neg: sp.csr_matrix[Any],
    embedding: Float64Array,
    arrows: Float64Array,
    n_threads: int = 1,
) -> tuple[Float64Array, IntArray]:
    r"""Return how well arrows show the edges of every cell, and the numbers of edges.

    .. math::
        r_i = \operatorname{corr}_j \Bigl(c_{ij},\;
        \frac{a_i \cdot (e_j - e_i)}{\lVert a_i \rVert \lVert e_j - e_i \rVert}\Bigr)

    over the edges j of cell i, with their correlations c in the velocity graph (those above and
    those below 0, cells × cells). Arrows a and the embedding e are float64, shape (cells,
    dimensions). Edges between cells with the same coordinates are left out. NaN for a cell with
    fewer than three edges or without an arrow, or if one of both sides is constant.

    If the weights of n edges are permuted and the arrow is kept, r has mean 0 and variance
    1 / (n − 1).

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import edge_fidelity
    >>> graph = sp.csr_matrix(([0.8, 0.2], ([0, 0], [1, 2])), shape=(4, 4))
    >>> graph_neg = sp.csr_matrix(([-0.4], ([0], [3])), shape=(4, 4))
    >>> embedding = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    >>> arrows = np.array([[1.0, 0.0]] * 4)
    >>> fidelity, n_edges = edge_fidelity(graph, graph_neg, embedding, arrows)
    >>> fidelity.round(3).tolist(), n_edges.tolist()
    ([1.0, nan, nan, nan], [3, 0, 0, 0])
    """
    out, edges = np.empty(len(embedding)), np.empty(len(embedding), dtype=np.int64)
    given = triple(graph), triple(graph_neg), embedding, arrows, out, edges
    for_rows(partial(fidelity_rows, *given), len(embedding), n_threads)
    return out, edges
