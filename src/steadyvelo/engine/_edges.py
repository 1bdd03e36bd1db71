"""Edges between cells: neighbours of neighbours, and connected parts of a graph."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from ._kernels._edges import count_kept, reach
from ._memory import return_free_memory
from ._threads import in_threads, row_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Pattern

__all__ = ["connected_parts", "recursive_neighbors"]

# bytes that are worth the time to return them
_LARGE = 200e6
# number of edges per cell that connect nearly all cells that are connected at all
_FEW = 4


def kept_edges(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], keep: NDArray[np.bool_]
) -> Pattern:
    """Return a CSR pattern with some of its entries, in their order; `keep` marks them."""
    starts = np.empty(len(indptr), dtype=np.int64)
    count_kept(indptr, keep, starts)
    return starts, indices[keep]


def joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Return arrays one after the other; each is removed from the list after it is copied."""
    out = np.empty(sum(map(len, parts)), dtype=parts[0].dtype)
    parts.reverse()
    start = 0
    while parts:
        part = parts.pop()
        out[start : start + len(part)] = part
        start += len(part)
    return out


def recursive_neighbors(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    *,
    n_steps: int,
    n_threads: int = 1,
    rows: NDArray[np.bool_] | None = None,
) -> Pattern:
    """Find the other cells within 1 to `n_steps` steps along a CSR pattern.

    Return a pattern with indices sorted in each row, without the cell itself. Rows that are not
    marked in `rows` are empty; None marks all.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.engine import recursive_neighbors
    >>> indptr, indices = np.array([0, 1, 2, 2]), np.array([1, 2], dtype=np.int32)
    >>> reached = recursive_neighbors(indptr, indices, n_steps=2)
    >>> [row.tolist() for row in np.split(reached[1], reached[0][1:-1])]
    [[1, 2], [2], []]
    """
    chunks = row_chunks(len(indptr) - 1, n_threads)
    # no path to a cell is longer
    n_steps = min(n_steps, len(indptr) - 1)
    marked = np.ones(len(indptr) - 1, dtype=np.bool_) if rows is None else rows
    work = partial(reach, indptr, indices, n_steps, marked)
    parts = in_threads([partial(work, *chunk) for chunk in chunks], n_threads)
    degrees = np.concatenate([degrees for degrees, _ in parts])
    found = [found for _, found in parts]
    del parts
    out_indptr, out_indices = np.concatenate([[0], np.cumsum(degrees)]), joined(found)
    if out_indices.nbytes > _LARGE:
        # glibc keeps the parts of each thread, which are as large as the result together
        return_free_memory()
    return out_indptr, out_indices


def connected_parts(*graphs: sp.csr_matrix[Any] | sp.csr_array[Any]) -> NDArray[np.int32]:
    """Return the number of each cell's connected part, by the edges of all graphs.

    Edges count in both directions.

    scipy's search copies a graph several times. So it is called with a few edges of each cell
    first, and then with only those edges that connect different parts found in this way.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from steadyvelo.engine import connected_parts
    >>> edges = [1.0, 1.0], ([0, 3], [1, 2])
    >>> connected_parts(sp.csr_matrix(edges, shape=(4, 4))).tolist()
    [0, 0, 1, 1]
    """
    graph = graphs[0]
    some = np.minimum(np.diff(graph.indptr), _FEW)
    indptr = np.concatenate([[0], np.cumsum(some)])
    places = np.arange(indptr[-1]) + np.repeat(graph.indptr[:-1] - indptr[:-1], some)
    few = sp.csr_matrix((np.ones(len(places)), graph.indices[places], indptr), shape=graph.shape)
    n_found, found = connected_components(few, directed=False)
    if n_found == 1:
        return found
    joined = [np.empty((2, 0), dtype=np.int32)]
    for edges, (start, stop) in product(graphs, row_chunks(graph.shape[0], 1)):
        other = found[edges.indices[edges.indptr[start] : edges.indptr[stop]]]
        own = np.repeat(found[start:stop], np.diff(edges.indptr[start : stop + 1]))
        across = own != other
        joined.append(np.unique(np.stack([own[across], other[across]]), axis=1))
    pairs = np.concatenate(joined, axis=1)
    between = sp.csr_matrix((np.ones(pairs.shape[1]), pairs), shape=(n_found, n_found))
    _, together = connected_components(between, directed=False)
    parts: NDArray[np.int32] = together[found]
    return parts
