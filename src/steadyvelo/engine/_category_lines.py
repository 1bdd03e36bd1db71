"""Lines of genes that differ between categories of cells, such as lineages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np

from ._kernels._category_lines import residual_rows
from ._scratch import Scratch
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray

    from ._moment_source import CountsSource, MomentBlock
    from ._smoothing import SmoothingOperator
    from ._velocities import Lines

__all__ = ["CategoryLines"]


@dataclass(frozen=True, eq=False)
class CategoryLines:
    r"""Lines of the genes of a source, one for each category of cells.

    The line that applies is that of the cell whose counts are smoothed. With the category
    :math:`b(c)` of cell c, the velocity of cell i is

    .. math:: v_i = \sum_c W_{ic} (\tilde u_c - \gamma_{b(c)} \tilde s_c - o_{b(c)})

    Attributes
    ----------
    gamma, offset
        Shape (categories, genes).
    categories
        Number of the category of each row of a block, shape (rows,).
    smoothing
        The operator W between rows.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> counts, order = np.array([[2.0], [4.0]]), engine.CellOrder.identity(2)
    >>> smoothing = engine.SmoothingOperator.from_connectivities(np.ones((2, 2)))
    >>> source = engine.CountsSource(
    ...     counts, counts, np.arange(1), order, *np.ones((2, 2)), smoothing, keep_counts=True
    ... )
    >>> lines = engine.CategoryLines(
    ...     np.array([[1.0], [0.5]]), np.zeros((2, 1)), np.array([0, 1]), smoothing
    ... )
    >>> block = source.block(slice(0, 1))
    >>> lines.deviation(block).ravel(), lines.velocity(block).ravel()
    (array([0., 2.], dtype=float32), array([1., 1.], dtype=float32))
    """

    gamma: Float64Array
    offset: Float64Array
    categories: NDArray[np.intp]
    smoothing: SmoothingOperator
    scratch: Scratch = field(default_factory=Scratch)

    @classmethod
    def of_cells(
        cls,
        gamma: Float64Array,
        offset: Float64Array,
        common: Lines,
        categories: NDArray[np.intp],
        source: CountsSource,
    ) -> Self:
        """Return the lines of the genes of a source.

        `gamma` and `offset` have the shape (genes, categories), and `categories` is the number of
        each cell's category; cells with −1 get the line in `common`.
        """
        return cls(
            np.vstack([gamma.T, common.gamma]),
            np.vstack([offset.T, common.offset]),
            np.where(categories < 0, gamma.shape[1], categories)[source.order.cell_of_row],
            source.smoothing,
        )

    def of(self, genes: IntArray) -> Self:
        """Return the lines of some of the genes."""
        return replace(self, gamma=self.gamma[:, genes], offset=self.offset[:, genes])

    def deviation(
        self, block: MomentBlock, n_threads: int = 1, out: Float32Array | None = None
    ) -> Float32Array:
        """Return ũ − γs̃ − o of the counts of a block, float32; NaN if γ is NaN.

        The result is written to `out` if it is given; this may be an array of the block.
        """
        spliced, unspliced = block.kept_counts
        result = np.empty_like(unspliced) if out is None else out
        lines = np.ascontiguousarray(self.gamma), np.ascontiguousarray(self.offset)
        work = partial(residual_rows, spliced, unspliced, *lines, self.categories, result)
        for_rows(work, len(result), n_threads)
        return result

    def velocity(
        self, block: MomentBlock, n_threads: int = 1, out: Float32Array | None = None
    ) -> Float32Array:
        """Return the velocities of a block with counts, float32; see :meth:`deviation`."""
        room = self.scratch.array("deviation", block.unspliced.shape, np.float32)
        return self.smoothing.apply(self.deviation(block, n_threads, room), n_threads, out)
