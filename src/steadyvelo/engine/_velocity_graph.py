"""Correlation of velocities with differences between cells, summed over gene blocks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ._kernels import _velocity_graph as kernels
from ._kernels._edges import arrange_by_sign, copy_rows
from ._order import CellOrder
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array, Float64Array

__all__ = ["EdgeCorrelation", "split_signs"]

# size of the part of a block that is read repeatedly: a share of the processor's cache
_TILE_BYTES = 8 << 20
# sums are float32 if there are more edges, and as many genes in a block that rounding does not
# affect the correlations: this halves time and memory
_EDGES_FOR_FLOAT32 = 5_000_000
_GENES_FOR_FLOAT32 = 32


class EdgeCorrelation:
    r"""Pearson correlation over genes of :math:`x_j - x_i` with :math:`v_i`, per edge i → j.

    The correlation needs only Σδv, Σδ², Σv, Σv² and Σδ = Σx_j − Σx_i over genes. So these sums are
    added over blocks, and blocks need not be kept.

    The CSR pattern of the edges is in the row order of the blocks. With `square_root`, sign·√|·| of
    both sides are correlated instead, and Σδ is summed per edge. Sums per edge are the largest
    arrays. Of many edges they are float32, if :meth:`add` gets so many genes at a time that
    rounding does not affect the correlations. `n_edges` is the number in the whole graph, if these
    edges are a part of it.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.engine import EdgeCorrelation
    >>> edges = EdgeCorrelation(np.array([0, 1, 2]), np.array([1, 0], dtype=np.int32))
    >>> velocity = np.float32([[2, 4, 6], [2, 4, 6]])
    >>> edges.add(np.float32([[0, 0, 0], [1, 2, 3]]), velocity)
    >>> edges.values().round(5).tolist()
    [1.0, -1.0]
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    square_root: bool
    n_genes: int
    products: NDArray[np.floating[Any]]
    squares: NDArray[np.floating[Any]]
    sums: NDArray[np.floating[Any]]
    expression_sum: Float64Array
    velocity_sum: Float64Array
    velocity_square: Float64Array

    def __init__(
        self,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        *,
        square_root: bool = False,
        genes_per_block: int = 1,
        n_edges: int | None = None,
    ) -> None:
        n_cells, n_here = len(indptr) - 1, len(indices)
        self.indptr, self.indices, self.square_root = indptr, indices, square_root
        self.n_genes = 0
        many = (n_here if n_edges is None else n_edges) > _EDGES_FOR_FLOAT32
        dtype = np.float32 if many and genes_per_block >= _GENES_FOR_FLOAT32 else np.float64
        self.products, self.squares = np.zeros(n_here, dtype), np.zeros(n_here, dtype)
        self.sums = np.zeros(n_here if square_root else 0, dtype)
        self.expression_sum, self.velocity_sum, self.velocity_square = np.zeros((3, n_cells))

    def add(self, expression: Float32Array, velocity: Float32Array, n_threads: int = 1) -> None:
        """Add a block of genes: x and v, float32, shape (cells, genes of the block)."""
        rooted = np.empty_like(velocity) if self.square_root else velocity
        unused = np.zeros(len(expression))
        tile = max(1, _TILE_BYTES // (expression.itemsize * expression.shape[1]))

        def work(start: int, stop: int) -> None:
            edges = (self.indptr, self.indices, self.products, self.squares)
            if self.square_root:
                own, root = velocity[start:stop], rooted[start:stop]
                np.copysign(np.sqrt(np.abs(own, out=root), out=root), own, out=root)
                of_roots = *edges, self.sums
                kernels.add_root_edge_sums(expression, rooted, *of_roots, tile, start, stop)
            else:
                kernels.add_edge_sums(expression, velocity, *edges, tile, start, stop)
                kernels.add_row_sums(expression, self.expression_sum, unused, start, stop)
            kernels.add_row_sums(rooted, self.velocity_sum, self.velocity_square, start, stop)

        for_rows(work, len(expression), n_threads)
        self.n_genes += expression.shape[1]

    def values(self, n_threads: int = 1) -> Float32Array:
        """Return one value per edge in [−1, 1]; 0 if a difference or a velocity is constant.

        The values take the place of the sums, so this can be called once.
        """
        of_edges = self.indptr, self.indices, self.products, self.squares, self.sums
        of_rows = self.expression_sum, self.velocity_sum, self.velocity_square
        out = self.products.astype(np.float32, copy=False)
        work = partial(kernels.correlate_edges, *of_edges, *of_rows, self.n_genes, out)
        for_rows(work, len(self.indptr) - 1, n_threads)
        del self.products, self.squares, self.sums
        return out


def split_signs(
    edges: EdgeCorrelation, order: CellOrder | None = None, *, n_threads: int = 1
) -> tuple[sp.csr_matrix[Any], sp.csr_matrix[Any]]:
    """Return the positive and the negative values of edges as two cells × cells CSR matrices.

    Rows of the edges are in `order`; None means the order of the cells. The edges are used up:
    their arrays are freed as soon as possible, because they may need more memory than all else.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.engine import EdgeCorrelation, split_signs
    >>> edges = EdgeCorrelation(np.array([0, 1, 2]), np.array([1, 0], dtype=np.int32))
    >>> velocity = np.float32([[2, 4, 6], [2, 4, 6]])
    >>> edges.add(np.float32([[0, 0, 0], [1, 2, 3]]), velocity)
    >>> positive, negative = split_signs(edges)
    >>> positive.toarray().round(5).tolist(), negative.toarray().round(5).tolist()
    ([[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [-1.0, 0.0]])
    """
    values, indptr, indices = edges.values(n_threads), edges.indptr, edges.indices
    del edges.indices
    n_cells = len(indptr) - 1
    cells = CellOrder.identity(n_cells) if order is None else order
    starts = np.zeros((2, n_cells + 1), dtype=np.int64)
    arrange = partial(arrange_by_sign, indptr, indices, values, cells.cell_of_row, starts)
    for_rows(arrange, n_cells, n_threads)
    del arrange
    first = indptr[cells.row_of_cell]
    firsts = first, first + starts[0, 1:]
    np.cumsum(starts, axis=1, out=starts)

    def halves(source: NDArray[Any]) -> list[NDArray[Any]]:
        out = [np.empty(start[-1], dtype=source.dtype) for start in starts]
        for first, start, half in zip(firsts, starts, out, strict=True):
            for_rows(partial(copy_rows, first, source, start, half), n_cells, n_threads)
        return out

    columns = halves(indices)
    del indices
    data = halves(values)
    positive, negative = (
        sp.csr_matrix((x, column, start), shape=(n_cells, n_cells))
        for x, column, start in zip(data, columns, starts, strict=True)
    )
    return positive, negative
