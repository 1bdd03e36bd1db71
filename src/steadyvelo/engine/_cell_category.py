r"""A category of cells: the fit to its cells, and the errors of its ratios.

The instrument of a category is :math:`h_c = \sum_i W_{ic} m_i a_i`, the sum over its own cells i
(see :mod:`._sandwich`). It is 0 for all cells c but those whose counts enter the smoothed values of
the category. Together, categories have the neighbours of all cells once, so that their instruments
take as long as those of one fit to all cells, and the score of a cell is computed once for each
category of its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from steadyvelo.model import Instruments

from ._fit import fit_block
from ._moment_source import MomentBlock
from ._order import CellOrder
from ._sandwich import SandwichErrors
from ._spreading import Spreading
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array, IntArray

    from ._fit import FitResult
    from ._fit_rule import FitRule
    from ._moment_source import CountsSource
    from ._scratch import Scratch

__all__ = ["CellCategory"]

# of intervals, which are not used
_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class CellCategory:
    """The rows of a category in blocks of all cells, and how they are fitted.

    Attributes
    ----------
    rule
        The rule of the fit, for the cells of the category instead of all cells.
    order
        The order of the category's rows, for its cells instead of all cells.
    rows, receivers
        Rows with the cells of the category, and rows whose counts enter their smoothed values;
        ascending.
    errors
        The sandwich, for blocks with the smoothed values of `rows` and the counts of `receivers`.
    """

    rule: FitRule
    order: CellOrder
    rows: IntArray
    receivers: IntArray
    errors: SandwichErrors

    @classmethod
    def of(
        cls,
        cells: IntArray,
        rule: FitRule,
        source: CountsSource,
        samples: NDArray[np.intp] | None,
        scratch: Scratch,
    ) -> Self:
        """Return the category of some cells, ascending, which are fitted as all cells are."""
        order = source.order
        rows = np.sort(order.row_of_cell[cells]).astype(np.int64)
        spreading, receivers = Spreading.of_rows(source.smoothing, rows)
        received = order.cell_of_row[receivers]
        scales = np.stack([source.spliced_scale, source.unspliced_scale])[:, received]
        of_samples = None if samples is None else samples[received]
        cell_of_row = np.searchsorted(cells, order.cell_of_row[rows]).astype(np.int32)
        weights = rule.weights
        return cls(
            replace(
                rule,
                cells=rule.cells[cells],
                fit_cells=rule.fit_cells[cells],
                weights=weights if isinstance(weights, str) else weights[cells],
            ),
            CellOrder(cell_of_row, np.argsort(cell_of_row).astype(np.int32)),
            rows,
            receivers,
            _ErrorsOfReceivers(scales, _LEVEL, of_samples, spreading, scratch),
        )

    def fit(self, block: MomentBlock, scratch: Scratch, n_threads: int = 1) -> FitResult:
        """Fit the genes of a block of all cells to the cells of the category."""

        def taken(values: Float32Array, rows: IntArray, name: str) -> Float32Array:
            out = scratch.array(name, (len(rows), values.shape[1]), np.float32)

            def take(start: int, stop: int) -> None:
                part = out[start:stop]
                # the default mode would fill a buffer first
                np.take(values, rows[start:stop], axis=0, out=part, mode="clip")

            for_rows(take, len(rows), n_threads)
            return out

        spliced, unspliced = block.kept_counts
        own = MomentBlock(
            block.genes,
            self.order,
            taken(block.spliced, self.rows, "spliced of category"),
            taken(block.unspliced, self.rows, "unspliced of category"),
            (
                taken(spliced, self.receivers, "spliced counts of category"),
                taken(unspliced, self.receivers, "unspliced counts of category"),
            ),
        )
        return fit_block(own, self.rule, self.errors, None, [self.rule], scratch, n_threads)[0]


@dataclass(frozen=True, eq=False)
class _ErrorsOfReceivers(SandwichErrors):
    """The sandwich of blocks with the counts of the receiving cells.

    `scales` and `samples` are those of these cells, in the order of their rows.
    """

    def weighing(self, block: MomentBlock, h: Float32Array, h0: Float32Array) -> Instruments:
        """Return instruments together with the counts of a block to which they apply."""
        scales = np.ascontiguousarray(self.scales.T)
        return Instruments(h, h0, *block.kept_counts, scales, self.samples)
