"""How genes are fitted: which cells enter with which weight, and what kind of line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from steadyvelo.model import steady_state_weights
from steadyvelo.model._extremes import halves, upper_end

from ._kernels._gather import place_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._ratio import OffsetMode
    from steadyvelo.model._typing import BoolArray, Float32Array, IntArray, Matrix
    from steadyvelo.model._weights import Quantiles

    from ._moment_source import MomentBlock

__all__ = ["FitRule"]


@dataclass(frozen=True, eq=False)
class FitRule:
    """How every gene is fitted.

    Attributes
    ----------
    weights
        Name of a weight rule, or weights of shape (cells,) or (cells, genes of the source).
    quantiles
        Low and high quantile of the rule `"extremes"`.
    offset
        Offset mode of the fit.
    cells
        Cells that exist for the model, shape (cells,): others enter no fit and no R².
    fit_cells
        Cells among which the fit may choose, shape (cells,).
    r2
        R² of the fit itself, or of an unweighted fit to all cells.
    half
        Of the cells at the upper end of the fit those with more or with less spliced abundance than
        their median; None for all cells of the fit.
    """

    weights: str | Matrix
    quantiles: Quantiles
    offset: OffsetMode
    cells: BoolArray
    fit_cells: BoolArray
    r2: Literal["fit", "all_cells"]
    half: Literal["upper", "lower"] | None = None

    @property
    def weights_dtype(self) -> type[np.bool_ | np.float32]:
        """Type that is enough to keep weights in: marks of the chosen cells, or numbers."""
        marks = isinstance(self.weights, str) and self.weights == "extremes"
        return np.bool_ if marks else np.float32

    def weigh(
        self, spliced: Float32Array, unspliced: Float32Array, columns: IntArray
    ) -> NDArray[Any]:
        """Return the weights of cells in the fits of some genes.

        Parameters
        ----------
        spliced, unspliced
            Smoothed abundances from which a rule chooses, shape (genes, cells).
        columns
            Places of the genes among those of the source.

        Returns
        -------
        Shape (1 or genes, cells).
        """
        weights = self._weigh(spliced, unspliced, columns)
        if self.half is None:
            return weights
        top = upper_end(spliced, weights)
        return weights * halves(spliced, top)[self.half]

    def weigh_rows(self, block: MomentBlock, genes: slice, out: NDArray[Any]) -> None:
        """Write the weights of cells in the fits of some genes of a block to its rows.

        Parameters
        ----------
        block
            Smoothed abundances.
        genes
            Places of the genes in the block.
        out
            Where weights of all genes of the block go, shape (rows, genes).
        """
        places = block.genes.start + np.arange(genes.start, genes.stop)
        weights = self.weigh(*block.by_gene(genes), places)
        place_rows(weights, block.order.row_of_cell, out[:, genes])

    def two_ended(self) -> FitRule:
        """Return the rule with which an offset is tested: cells at both ends where one is used.

        Among the cells at one end a line with an offset can hardly be told from one without.
        """
        low, high = self.quantiles
        if not isinstance(self.weights, str) or self.weights != "extremes" or high is None:
            return self
        return self if low is not None else replace(self, quantiles=(1 - high, high))

    def _weigh(
        self, spliced: Float32Array, unspliced: Float32Array, columns: IntArray
    ) -> NDArray[Any]:
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
        block = self.weights[:, columns]
        dense = block.toarray() if sp.issparse(block) else block
        return np.ascontiguousarray(dense.T, dtype=np.float64) * self.fit_cells
