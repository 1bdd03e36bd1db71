"""How genes are fitted: the weights of the cells, and the kind of line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from steadyvelo.model import steady_state_weights
from steadyvelo.model._weights import extreme_sets

from ._kernels._gather import place_rows
from ._moment_source import by_gene
from ._order import CellOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from steadyvelo.model import LineBounds, RatioFit, SufficientStatistics
    from steadyvelo.model._ratio import OffsetMode
    from steadyvelo.model._typing import BoolArray, Float32Array, IntArray, Matrix
    from steadyvelo.model._weights import Quantiles


__all__ = ["FitRule", "weigh_rows"]


@dataclass(frozen=True, eq=False)
class FitRule:
    """The rule by which all genes are fitted.

    Attributes
    ----------
    weights
        Name of a weight rule, or weights of shape (cells,) or (cells, genes of the source).
    quantiles
        Low and high quantile of the rule `"extremes"`.
    offset
        Offset mode of the fit.
    cells
        Cells that are used, shape (cells,). Other cells do not enter fits and R².
    fit_cells
        Cells among which a weight rule chooses, shape (cells,).
    r2
        Whether R² is that of the fit itself, or of an unweighted fit to all cells.
    tests_offset
        Whether the fit tests the hypothesis that lines have no offset.
    bounds
        Bounds of the lines; None means none.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> every = np.ones(5, dtype=bool)
    >>> rule = engine.FitRule("extremes", (None, 0.8), False, every, every, "fit")
    >>> spliced = np.arange(5, dtype=np.float32)[None, :]
    >>> rule.weigh(spliced, spliced, np.array([0]))
    array([[False, False, False, False,  True]])
    """

    weights: str | Matrix
    quantiles: Quantiles
    offset: OffsetMode
    cells: BoolArray
    fit_cells: BoolArray
    r2: Literal["fit", "all_cells"]
    tests_offset: bool = False
    bounds: LineBounds | None = None
    _kept: dict[int, tuple[CellOrder, FitRule]] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def has_offset(self) -> bool:
        """Whether instruments of an offset are needed: for lines with one, or to test for one."""
        return self.offset is not False or self.tests_offset

    @property
    def takes_extremes(self) -> bool:
        """Whether the rule marks the cells at the extremes of expression."""
        return isinstance(self.weights, str) and self.weights == "extremes"

    @property
    def weights_dtype(self) -> type[np.bool_ | np.float32]:
        """Data type of stored weights: bool if they only mark cells, otherwise float32."""
        return np.bool_ if self.takes_extremes else np.float32

    def weigh(
        self, spliced: Float32Array, unspliced: Float32Array, places: IntArray
    ) -> NDArray[Any]:
        """Return the weights of cells in the fits of some genes, shape (1 or genes, cells).

        A rule computes them from smoothed abundances, shape (genes, cells). Of given weights, those
        at the indices `places` of the genes among the genes of the source are returned.
        """
        (weights,) = weights_under([self], spliced, unspliced, places)
        return weights

    def solve(self, sums: SufficientStatistics) -> RatioFit:
        """Return the lines of the least squares within the bounds."""
        if self.bounds is None:
            return sums.solve(offset=self.offset)
        return self.bounds.solve(sums, offset=self.offset)

    def in_order(self, order: CellOrder) -> FitRule:
        """Return the rule for rows in an order, in place of cells."""
        if id(order) not in self._kept:
            rows, weights = order.cell_of_row, self.weights
            turned = replace(
                self,
                cells=self.cells[rows],
                fit_cells=self.fit_cells[rows],
                weights=weights if isinstance(weights, str) else weights[rows],
            )
            # the order is kept, so that no other one gets its number
            self._kept[id(order)] = order, turned
        return self._kept[id(order)][1]

    def two_ended(self) -> FitRule:
        """Return the rule for the test of an offset: with cells at both ends if it had one end.

        With cells at one end only, the data hardly distinguish lines with and without an offset.
        """
        low, high = self.quantiles
        if not self.takes_extremes or high is None:
            return self
        return self if low is not None else replace(self, quantiles=(1 - high, high))

    def whole(
        self, spliced: Float32Array, unspliced: Float32Array, places: IntArray
    ) -> NDArray[Any]:
        """Return the weights under this rule alone."""
        if isinstance(self.weights, str):
            return steady_state_weights(
                spliced,
                unspliced,
                self.weights,
                quantiles=self.quantiles,
                cells=self.fit_cells,
                out=np.empty(spliced.shape, dtype=np.bool_),
            )
        if self.weights.ndim == 1:
            return np.asarray(self.weights, dtype=np.float64)[None, :] * self.fit_cells
        block = self.weights[:, places]
        dense = block.toarray() if sp.issparse(block) else block
        return np.ascontiguousarray(dense.T, dtype=np.float64) * self.fit_cells


def weights_under(
    rules: list[FitRule], spliced: Float32Array, unspliced: Float32Array, places: IntArray
) -> list[NDArray[Any]]:
    """Return the weights of :meth:`FitRule.weigh` under each rule; what rules share is done once.

    Rules that differ in their quantiles only share their other attributes.
    """
    whole: dict[tuple[object, ...], NDArray[Any]] = {}
    simple = [rule for rule in rules if rule.takes_extremes and rule.fit_cells.all()]
    pairs = list(dict.fromkeys(rule.quantiles for rule in simple))
    if pairs:
        whole |= zip(pairs, extreme_sets(spliced, unspliced, pairs), strict=True)
    weights = []
    for rule in rules:
        key = (
            rule.quantiles
            if rule in simple
            else (id(rule.weights), id(rule.fit_cells), rule.quantiles)
        )
        if key not in whole:
            whole[key] = rule.whole(spliced, unspliced, places)
        weights.append(whole[key])
    return weights


def weigh_rows(
    rules: list[FitRule],
    moments: Sequence[Float32Array],
    places: IntArray,
    weights: list[NDArray[Any]],
    genes: slice,
) -> None:
    """Write the weights of some genes under all rules, each to an array of shape (rows, genes).

    Rows of these arrays and of the spliced and unspliced `moments` are in the order of the rules
    (:meth:`FitRule.in_order`); `places` are the indices of all columns among the genes of the
    source.
    """
    same = CellOrder.identity(len(moments[0]))
    spliced, unspliced = (by_gene(values, genes, same) for values in moments)
    found = weights_under(rules, spliced, unspliced, places[genes])
    for values, out in zip(found, weights, strict=True):
        place_rows(values, same.row_of_cell, out[:, genes])
