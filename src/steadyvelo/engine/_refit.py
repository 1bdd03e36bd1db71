"""Lines that take the place of ordinary ones, of some genes of a block."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo.model import RatioErrors, RatioFit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import StackedFit
    from steadyvelo.model._typing import IntArray

__all__ = ["Refit"]


@dataclass(frozen=True, eq=False)
class Refit:
    """Fits of first and second moments together, of some genes of a block.

    Attributes
    ----------
    columns
        Columns of these genes in the block, shape (genes,).
    fit
        Their lines.
    n_cells
        Number of cells with a weight above 0 in the first moments.
    errors
        Errors of the ratios; NaN if none were requested.
    """

    columns: IntArray
    fit: StackedFit
    n_cells: IntArray
    errors: RatioErrors

    def in_lines(self, fit: RatioFit) -> RatioFit:
        """Return the lines of all genes of the block; `fit` are the ordinary ones."""
        gamma, offset = (
            self.among(getattr(fit, name), getattr(self.fit, name)) for name in ("gamma", "offset")
        )
        # these lines have no bounds
        at_bound = self.among(fit.at_bound, np.zeros(len(self.columns), dtype=bool))
        return RatioFit(gamma, offset, fit.reason, at_bound)

    def in_errors(self, errors: RatioErrors) -> RatioErrors:
        """Return the errors of all genes of the block; `errors` are those of ordinary lines."""
        names = [f.name for f in fields(RatioErrors)]
        return RatioErrors(
            *(self.among(getattr(errors, n), getattr(self.errors, n)) for n in names)
        )

    def among(self, values: NDArray[Any], own: NDArray[Any]) -> NDArray[Any]:
        """Return `values` of all genes of the block, with the own ones of some."""
        out = values.copy()
        out[self.columns] = own
        return out
