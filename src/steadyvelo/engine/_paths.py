"""Random walks from chosen cells: where they are after some steps, and paths that are drawn."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ._kernels._paths import walk_paths
from ._threads import for_rows
from ._walks import steps_against, steps_along, transposed_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float64Array

__all__ = ["can_leave", "drawn_paths", "edges_of_walk", "walk_distribution"]

# a path is a few thousand steps of a few hundred edges each
_MIN_PATHS = 16


def edges_of_walk(
    graph: sp.csr_matrix[Any],
    graph_neg: sp.csr_matrix[Any],
    *,
    backward: bool = False,
    n_threads: int = 1,
) -> sp.csr_matrix[Any]:
    """Return the edges of a walk, from the cell of a row to those that a step can reach.

    A walk backward goes against the edges: its edges are transposed, with the same correlations.
    Rows of their exponentials, divided by their sums, are the transition probabilities.

    Parameters
    ----------
    graph, graph_neg
        Positive and negative correlations, cells × cells; no edge is in both.
    backward
        Whether the walk goes against the edges.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import edges_of_walk
    >>> graph, graph_neg = sp.csr_matrix([[0.0, 0.5], [0, 0]]), sp.csr_matrix([[0, 0], [-1.0, 0]])
    >>> edges_of_walk(graph, graph_neg).toarray().tolist()
    [[0.0, 0.5], [-1.0, 0.0]]
    >>> edges_of_walk(graph, graph_neg, backward=True).toarray().tolist()
    [[0.0, -1.0], [0.5, 0.0]]
    """
    if backward:
        return transposed_sum(graph, graph_neg, n_threads)
    return sp.csr_matrix(graph + graph_neg)


def can_leave(
    graph: sp.csr_matrix[Any], graph_neg: sp.csr_matrix[Any], *, backward: bool = False
) -> BoolArray:
    """Return from which cells a walk can go on, shape (cells,).

    Forward these are the cells with edges, backward those to which an edge leads.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import can_leave
    >>> graph, none = sp.csr_matrix([[0.0, 0.5], [0, 0]]), sp.csr_matrix((2, 2))
    >>> can_leave(graph, none).tolist(), can_leave(graph, none, backward=True).tolist()
    ([True, False], [False, True])
    """
    found: BoolArray = np.zeros(graph.shape[0], dtype=bool)
    for each in (graph, graph_neg):
        if backward:
            found[each.indices] = True
        else:
            found |= np.diff(each.indptr) > 0
    return found


def walk_distribution(
    graph: sp.csr_matrix[Any],
    graph_neg: sp.csr_matrix[Any],
    start: Float64Array,
    n_steps: int,
    *,
    scale: float = 10.0,
    backward: bool = False,
    n_threads: int = 1,
) -> Float64Array:
    r"""Return the distribution over cells after some steps, :math:`\pi_n^\top = \pi_0^\top T^n`.

    A walk that cannot go on stays in its cell, so that the sum remains the same.

    Parameters
    ----------
    graph, graph_neg
        Positive and negative correlations, cells × cells; no edge is in both.
    start
        Distribution at the start, shape (cells,).
    n_steps
        Number of steps.
    scale
        λ of the probabilities.
    backward
        Whether walks go against the edges, :math:`T_{ij} \propto e^{\lambda c_{ji}}`.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import walk_distribution
    >>> graph = sp.csr_matrix(([0.5], ([0], [1])), shape=(3, 3))
    >>> graph_neg = sp.csr_matrix(([-0.5], ([0], [2])), shape=(3, 3))
    >>> start = np.array([1.0, 0.0, 0.0])
    >>> walk_distribution(graph, graph_neg, start, 5, scale=np.log(3)).round(5).tolist()
    [0.0, 0.75, 0.25]
    """
    if backward:
        step = steps_against(graph, graph_neg, scale, n_threads)
    else:
        step = steps_along(transposed_sum(graph, graph_neg, n_threads), scale, n_threads)
    ends = ~can_leave(graph, graph_neg, backward=backward)
    distribution = np.asarray(start, dtype=np.float64)
    for _ in range(n_steps):
        distribution = step @ distribution + np.where(ends, distribution, 0.0)
    return distribution


def drawn_paths(
    edges: sp.csr_matrix[Any],
    start: NDArray[np.integer[Any]],
    uniforms: Float64Array,
    *,
    scale: float = 10.0,
    n_threads: int = 1,
) -> NDArray[np.int64]:
    r"""Draw paths of a walk, with :math:`T_{ij} \propto e^{\lambda c_{ij}}`.

    Parameters
    ----------
    edges
        Correlations of the edges of the walk, from :func:`edges_of_walk`.
    start
        The first cell of each path, shape (paths,).
    uniforms
        Random numbers in [0, 1), one for each step, shape (paths, steps).
    scale
        λ of the probabilities.

    Returns
    -------
    The cells of each path, shape (paths, 1 + steps). A walk that cannot go on stays in its cell.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import drawn_paths
    >>> edges = sp.csr_matrix([[0.0, 0.5, -0.5], [0, 0, 0], [0.3, 0, 0]])
    >>> drawn_paths(edges, [0, 0], np.array([[0.7, 0.1], [0.8, 0.1]]), scale=np.log(3)).tolist()
    [[0, 1, 1], [0, 2, 0]]
    """
    paths = np.empty((len(uniforms), uniforms.shape[1] + 1), dtype=np.int64)
    paths[:, 0] = start
    work = partial(walk_paths, edges.indptr, edges.indices, edges.data, scale, uniforms, paths)
    for_rows(work, len(paths), n_threads, min_rows=_MIN_PATHS)
    return paths
