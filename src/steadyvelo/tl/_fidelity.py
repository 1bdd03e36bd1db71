"""How well the drawn arrows show the velocity graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo.engine import edge_fidelity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._stored_graph import StoredGraph

__all__ = ["ABOVE_CHANCE", "fidelity", "write_fidelity"]

# of an embedding with more dimensions, pictures show the first two
_DRAWN = 2
# an arrow is computed from the weights of its edges. If they are permuted and the best direction is
# taken, its squared z has the mean 2 and about a χ² distribution with two degrees of freedom. Then
# z is above this number with a probability of about 5 %, and less for another direction
ABOVE_CHANCE = float(np.sqrt(-2 * np.log(0.05)))


def fidelity(
    graph: StoredGraph,
    embedding: NDArray[np.float64],
    arrows: NDArray[np.float64],
    n_threads: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fidelity of every arrow, and the same in units of its standard deviation.

    The standard deviation is that of n permuted edges under a fixed arrow, 1 / √(n − 1).
    """
    plane = [np.ascontiguousarray(values[:, :_DRAWN]) for values in (embedding, arrows)]
    values, n_edges = edge_fidelity(*graph.graphs, *plane, n_threads)
    return values, values * np.sqrt(np.maximum(n_edges - 1, 0))


def write_fidelity(
    graph: StoredGraph,
    basis: str,
    embedding: NDArray[np.float64],
    arrows: NDArray[np.float64],
    n_threads: int,
) -> None:
    """Write the fidelity of the arrows on an embedding."""
    adata, key = graph.fit.adata, graph.fit.key
    values, z = fidelity(graph, embedding, arrows, n_threads)
    _keys.FIDELITY.write(adata, values, key, basis)
    _keys.FIDELITY_Z.write(adata, z, key, basis)
