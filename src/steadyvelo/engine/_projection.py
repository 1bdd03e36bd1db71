"""Transition probabilities drawn as arrows on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._kernels._transitions import project_rows
from ._threads import for_rows

if TYPE_CHECKING:
    import scipy.sparse as sp

    from steadyvelo.model._typing import Float64Array

__all__ = ["project_transitions"]


def project_transitions(
    transitions: sp.csr_matrix[Any], embedding: Float64Array, *, n_threads: int = 1
) -> Float64Array:
    r"""Mean displacement on an embedding under transition probabilities, above chance.

    .. math::
        a_i = \sum_j T_{ij} d_{ij} - \bar T_i \sum_j d_{ij},
        \quad d_{ij} = (e_j - e_i) / \lVert e_j - e_i \rVert

    with j over the stored edges of cell i; d is 0 where two points coincide.

    Parameters
    ----------
    transitions
        T, cells × cells, usually signed.
    embedding
        e, float64, shape (cells, dimensions).
    n_threads
        Number of threads.

    Returns
    -------
    Arrows, shape (cells, dimensions); zero for a cell without edges.
    """
    out = np.zeros(embedding.shape)

    def work(start: int, stop: int) -> None:
        project_rows(
            transitions.indptr,
            transitions.indices,
            transitions.data,
            embedding,
            out,
            start,
            stop,
        )

    for_rows(work, len(embedding), n_threads)
    return out
