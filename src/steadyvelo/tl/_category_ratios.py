"""Separate lines for categories of cells: how they are fitted, stored and reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._categories import Categories
from steadyvelo._adata._groups import sample_codes
from steadyvelo.engine import CategoryFits, CountsSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit
    from steadyvelo._adata._fit_params import FitOptions
    from steadyvelo._adata._inputs import Inputs
    from steadyvelo.engine import FitRule, MomentSource
    from steadyvelo.engine._category_fits import CategoryRatios

__all__ = ["category_fits", "category_record", "category_values", "summary"]


def category_fits(
    inputs: Inputs, options: FitOptions, source: MomentSource, rule: FitRule
) -> CategoryFits | None:
    """Return the fits of the categories, to which blocks of the source are given; None for none."""
    if options.gamma_by is None or not isinstance(source, CountsSource):
        return None
    found = Categories.of(inputs.adata, options.gamma_by)
    samples = sample_codes(inputs.adata, options.errors.sample_key)
    return CategoryFits.of(rule, found.codes, source, samples)


def category_record(inputs: Inputs, options: FitOptions) -> dict[str, Any]:
    """Return what is recorded of the categories of a fit."""
    if options.gamma_by is None:
        return {}
    found = Categories.of(inputs.adata, options.gamma_by)
    return {"categories": found.names, "categories_hash": found.hash}


def category_values(
    ratios: CategoryRatios,
    genes: NDArray[np.int64],
    used: NDArray[np.bool_],
    options: FitOptions,
) -> dict[_keys.Field, NDArray[Any]]:
    """Return what is stored of categories, with one row for every gene.

    `ratios` are those of some `genes`; `used` tells for every gene whether it is used.
    """

    def everywhere(values: NDArray[Any], fill: Any) -> NDArray[Any]:
        out = np.full((len(used), values.shape[1]), fill, dtype=values.dtype)
        out[genes] = values
        out[~used] = fill
        return out

    found = {
        _keys.CATEGORY_GAMMA: everywhere(ratios.gamma, np.nan),
        _keys.CATEGORY_OFFSET: everywhere(ratios.offset, np.nan),
        _keys.CATEGORY_COMMON: everywhere(ratios.common, fill=False),
        _keys.CATEGORY_R2: everywhere(ratios.r2, np.nan),
        _keys.CATEGORY_MOLECULES: everywhere(ratios.molecules, np.nan),
        _keys.CATEGORY_CELLS: everywhere(ratios.n_cells.astype(np.int64), 0),
    }
    if options.errors.method is not None:
        found[_keys.CATEGORY_SE] = everywhere(ratios.se, np.nan)
    return found


def summary(fit: Fit, categories: Categories) -> str:
    """Return who gets the common ratios, and how far smoothing mixes categories."""
    genes, column = fit.fitted_genes, fit.options.gamma_by
    common = np.asarray(_keys.CATEGORY_COMMON.read(fit.adata, fit.key))[genes]
    most = ""
    if common.any():
        number = int(common.sum(axis=0).argmax())
        name, n = categories.names[number], int(common[:, number].sum())
        most = f", most often for {name} ({n:,} of {len(genes):,} genes)"
    without = int(((categories.codes < 0) & fit.inputs.cells).sum())
    others = f"; {without:,} cells without a category have the common ratios" if without else ""
    graph = fit.inputs.connectivities(fit.options.neighbors_key)
    own = np.repeat(categories.codes, np.diff(graph.indptr))
    other = categories.codes[graph.indices]
    known = (own >= 0) & (other >= 0)
    mixed = float((own != other)[known].mean()) if known.any() else 0.0
    return (
        f"{len(categories.names)} categories of obs[{column!r}] have separate ratios; "
        f"{int(common.sum()):,} of {common.size:,} rest on too few molecules and are the common "
        f"ones{most}{others}; {mixed:.1%} of the neighbours are in another category, and smoothing "
        "mixes their counts"
    )
