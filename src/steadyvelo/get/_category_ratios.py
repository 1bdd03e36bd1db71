"""Ratios of categories of cells as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._names import gene_places
from steadyvelo._arguments import public

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

__all__ = ["category_ratios"]

# columns of the table, and the fields with their values
_COLUMNS = {
    "gamma": _keys.CATEGORY_GAMMA,
    "offset": _keys.CATEGORY_OFFSET,
    "common": _keys.CATEGORY_COMMON,
    "r2": _keys.CATEGORY_R2,
    "gamma_se": _keys.CATEGORY_SE,
    "molecules": _keys.CATEGORY_MOLECULES,
    "fit_cells": _keys.CATEGORY_CELLS,
}


@public
def category_ratios(
    adata: AnnData,
    genes: str | Sequence[str] | None = None,
    *,
    velocity_key: str = "velocity",
) -> pd.DataFrame:
    """Return the steady-state ratios of categories of cells, such as lineages.

    Parameters
    ----------
    adata
        Result of ``tl.velocity(gamma_by=...)`` or ``run(gamma_by=...)``.
    genes
        Names of genes; None means all genes with a fit.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    One row for every gene and category, with columns

    ``gene``, ``category``
        The gene, and the value in the column that `gamma_by` names.
    ``gamma``, ``offset``
        The line that the cells of the category get; NaN for a gene without a fit.
    ``common``
        Whether this is the common line of all cells, because the ratio of the category rests on
        fewer than 10 effective molecules.
    ``r2``
        R² of the category's line over the smoothed values of its cells; NaN with the common line.
    ``gamma_se``
        With ``uncertainty="sandwich"``: standard error of the ratio; NaN with the common line. To
        test differences between categories, use :func:`steadyvelo.tl.compare_ratios`: smoothing
        makes the ratios of neighbouring categories similar and their errors dependent.
    ``molecules``
        Effective number of unspliced molecules in the fit of the category, (Σhu)² / Σh²u with the
        weights h of the counts.
    ``fit_cells``
        Number of cells of the category with a weight above 0 in its fit.

    Raises
    ------
    KeyError
        If there is no fit, all cells have the same ratio, or a name is unknown.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, gamma_by="branch")
    >>> table = sv.get.category_ratios(adata, "gene 3")
    >>> list(table["category"])
    ['branch 1', 'branch 2', 'trunk']
    """
    fit = Fit.read(adata, velocity_key)
    names = fit.params.made_from.categories
    if names is None:
        msg = (
            f"the fit {velocity_key!r} has the same ratios for all cells; run tl.velocity(adata, "
            f"gamma_by=..., key_added={velocity_key!r}) with the column of the categories first."
        )
        raise KeyError(msg)
    places = fit.fitted_genes if genes is None else gene_places(adata, genes, key=velocity_key)
    columns = {
        name: np.asarray(field.read(adata, velocity_key))[places].ravel()
        for name, field in _COLUMNS.items()
        if field.is_in(adata, velocity_key)
    }
    category = np.tile(np.arange(len(names)), len(places))
    named = {
        "gene": np.repeat(adata.var_names[places].to_numpy(), len(names)),
        "category": pd.Categorical.from_codes(category, categories=list(names)),
    }
    return pd.DataFrame({**named, **columns})
