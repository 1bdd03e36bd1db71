"""What tests by folds of genes and cells need."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steadyvelo._adata._fit import Fit

__all__ = ["UNKNOWN_REPRESENTATION", "missing_for_folds"]

# why no neighbours are found among a sample of the cells
UNKNOWN_REPRESENTATION = "the representation in which neighbours were found is not known"


def missing_for_folds(fit: Fit) -> str:
    """Return what the tests need and is missing; an empty text if they can be done."""
    if fit.options.gamma_by is not None:
        return "the fit has separate ratios of categories of cells (gamma_by)"
    if fit.options.stochastic is not None:
        return "the fit is stochastic, and the test needs a deterministic one with cross-fitting"
    if fit.options.errors.method != "crossfit":
        return "the fit has no cross-fitted errors (tl.velocity(uncertainty='crossfit'))"
    layers = [fit.options.spliced, fit.options.unspliced]
    without = [name for name in layers if name not in fit.adata.layers]
    return f"layers[{without[0]!r}], the counts of the fit, is missing" if without else ""
