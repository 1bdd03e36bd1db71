"""The velocity graph, computed for one part of the cells after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ._edges import joined, recursive_neighbors
from ._memory import return_free_memory
from ._velocity_graph import EdgeCorrelation, split_signs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from steadyvelo.model._typing import Float32Array, Pattern

    from ._order import CellOrder

    Blocks = Callable[[float, float], Iterable[tuple[Float32Array, Float32Array]]]
    Graphs = tuple[sp.csr_matrix[Any], sp.csr_matrix[Any]]

__all__ = ["correlation_graphs"]

# rows from which the number of edges is estimated
_SAMPLE = 1_000
# float32 sums of products and of squares
_BYTES_OF_SUMS = 8
# every part needs all blocks of genes again
_MOST_PARTS = 8


def correlation_graphs(
    neighbors: Pattern,
    blocks: Blocks,
    order: CellOrder,
    *,
    n_steps: int,
    square_root: bool,
    genes_per_block: int,
    max_bytes: float,
    n_threads: int = 1,
) -> Graphs:
    """Return the positive and the negative correlations, two cells × cells CSR matrices.

    ``blocks(start, stop)`` yields expression and velocities of all genes, `genes_per_block` at a
    time, with rows in `order`, and reports progress between these shares of the work. `neighbors`
    is a CSR pattern between rows, along which edges have up to `n_steps` steps.

    If sums over genes of all edges would need more than `max_bytes`, they are computed for one part
    of the cells after the other, in up to 8 parts, because every part needs the blocks again.
    Results do not depend on the parts.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> expression = np.float32([[0, 0, 0], [1, 2, 3]])
    >>> velocity = np.float32([[2, 4, 6], [2, 4, 6]])
    >>> positive, negative = engine.correlation_graphs(
    ...     (np.array([0, 1, 2]), np.array([1, 0], dtype=np.int32)),
    ...     lambda start, stop: [(expression, velocity)],
    ...     engine.CellOrder.identity(2),
    ...     n_steps=1, square_root=False, genes_per_block=3, max_bytes=1e9,
    ... )
    >>> positive.toarray().round(5).tolist(), negative.toarray().round(5).tolist()
    ([[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [-1.0, 0.0]])
    """
    n_cells = len(neighbors[0]) - 1
    n_edges = _number_of_edges(neighbors, n_steps, n_threads)
    n_parts = int(np.clip(-(-_BYTES_OF_SUMS * n_edges // max_bytes), 1, _MOST_PARTS))

    def graphs_of(part: int) -> Graphs:
        cells = np.zeros(n_cells, dtype=np.bool_)
        cells[part * n_cells // n_parts : (part + 1) * n_cells // n_parts] = True
        edges = EdgeCorrelation(
            *recursive_neighbors(
                *neighbors, n_steps=n_steps, n_threads=n_threads, rows=cells[order.cell_of_row]
            ),
            square_root=square_root,
            genes_per_block=genes_per_block,
            n_edges=None if n_parts == 1 else n_edges,
        )
        for expression, velocity in blocks(part / n_parts, (part + 1) / n_parts):
            edges.add(expression, velocity, n_threads)
        return split_signs(edges, order, n_threads=n_threads)

    if n_parts == 1:
        return graphs_of(0)
    found: tuple[list[sp.csr_matrix[Any]], ...] = [], []
    for part in range(n_parts):
        for graph, graphs in zip(graphs_of(part), found, strict=True):
            graphs.append(graph)
        del graph
        return_free_memory()
    positive, negative = map(_one_below_the_other, found)
    return positive, negative


def _number_of_edges(neighbors: Pattern, n_steps: int, n_threads: int) -> int:
    """Return about how many edges there are; of few rows, exactly."""
    n_cells = len(neighbors[0]) - 1
    rows = np.zeros(n_cells, dtype=np.bool_)
    rows[:: max(1, n_cells // _SAMPLE)] = True
    found = recursive_neighbors(*neighbors, n_steps=n_steps, n_threads=n_threads, rows=rows)[1]
    return round(len(found) * n_cells / max(1, int(rows.sum())))


def _one_below_the_other(parts: list[sp.csr_matrix[Any]]) -> sp.csr_matrix[Any]:
    """Return one matrix for parts with ascending rows of it; the arrays of the parts are freed."""
    shape, indptr = parts[0].shape, np.sum([part.indptr for part in parts], axis=0)
    data = [part.data for part in parts]
    indices = [part.indices for part in parts]
    parts.clear()
    return sp.csr_matrix((joined(data), joined(indices), indptr), shape=shape)
