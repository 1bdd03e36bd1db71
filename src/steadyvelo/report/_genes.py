"""The table of genes, and the genes whose phase portraits are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo import _keys

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Genes", "section"]

# column of the page's table, and its field
_NUMBERS = (
    ("γ", _keys.GAMMA),
    ("SE of γ", _keys.GAMMA_SE),
    ("γ, lower bound", _keys.GAMMA_LOW),
    ("γ, upper bound", _keys.GAMMA_HIGH),
    ("offset", _keys.OFFSET),
    ("R²", _keys.R2),
    ("effective molecules", _keys.GAMMA_MOLECULES),
    ("boost", _keys.BOOST),
)
# columns of a fit with separate ratios of categories of cells
_OF_ALL, _COMMON_IN = "γ, all cells", "γ, all cells, used in"


@dataclass(frozen=True)
class Genes:
    """A section of the page."""

    # names of the columns of the table, and whether they hold numbers
    columns: list[tuple[str, bool]]
    # text and numbers of each gene, None for a missing value
    rows: list[list[Any]]
    caption: str
    # among genes with many counts, those with the highest and with the lowest R²
    best: list[str]
    worst: list[str]


def section(adata: AnnData, key: str, n_portraits: int) -> Genes:
    """Collect the rows of all genes, including genes that were not used."""
    chosen = _keys.VELOCITY_GENES.values(adata, key)
    status = np.where(chosen, "velocity gene", "fitted")
    status = np.where(_keys.GAMMA.read(adata, key).isna(), "no fit", status)
    columns: dict[str, Any] = {
        "status": status,
        "reason": _keys.REASON.read(adata, key).astype(str).to_numpy(),
    }
    of_categories = _of_categories(adata, key)
    for name, field in _NUMBERS:
        if field.is_in(adata, key):
            shown = _OF_ALL if of_categories and field is _keys.GAMMA else name
            columns[shown] = field.values(adata, key)
    columns |= of_categories
    if _keys.SHARED_COUNTS.is_in(adata):
        columns["shared counts"] = _keys.SHARED_COUNTS.values(adata)
    for name, field in (("model", _keys.MODEL), ("upper cluster", _keys.UPPER_CLUSTER)):
        if field.is_in(adata, key):
            texts = field.read(adata, key).astype(object).fillna("")
            columns[name] = texts.astype(str).to_numpy()
    table = pd.DataFrame(columns, index=adata.var_names)
    # velocity genes first, and genes with a high R² before genes with a low one
    fit = pd.Series(np.nan_to_num(_keys.R2.values(adata, key), nan=-np.inf))
    table = table.iloc[np.lexsort([-fit, ~chosen])]
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table]
    others = _not_used(adata, key, table.columns[numeric], table.columns)
    table = table if others is None else pd.concat([table, others])
    rows = [
        [str(gene), *(_plain(value) for value in values)]
        for gene, values in zip(table.index, table.itertuples(index=False), strict=True)
    ]
    best, worst = _extremes(adata, key, n_portraits)
    header = [("gene", False), *zip(map(str, table.columns), numeric, strict=True)]
    return Genes(header, rows, _caption(adata, key), best, worst)


def _of_categories(adata: AnnData, key: str) -> dict[str, Any]:
    """Return the ratios of every category of cells, and the categories with the common ratio.

    Empty if all cells have the same ratios.
    """
    if not _keys.CATEGORY_GAMMA.is_in(adata, key):
        return {}
    names = np.atleast_1d(_keys.PARAMS.read(adata, key)["categories"]).astype(str)
    gamma, common = (
        np.asarray(field.read(adata, key))
        for field in (_keys.CATEGORY_GAMMA, _keys.CATEGORY_COMMON)
    )
    found: dict[str, Any] = {
        f"γ of {name}": of_one for name, of_one in zip(names, gamma.T, strict=True)
    }
    # a gene without a fit has no ratio at all
    used = common & ~np.isnan(gamma)
    found[_COMMON_IN] = np.array([", ".join(names[row]) for row in used], dtype=object)
    return found


def _caption(adata: AnnData, key: str) -> str:
    """Return what the table shows."""
    column = _keys.PARAMS.read(adata, key).get("gamma_by")
    reason = "the reason if a gene was not used"
    if column is None:
        return f"All genes: steady-state ratio γ with its interval, and {reason}"
    return (
        f"All genes: steady-state ratio γ of all cells and of each category of {column}, and "
        f"{reason}. Cells without a category have the ratio of all cells, and "
        "so have the categories that the table names for a gene, because their own would rest on "
        "too few molecules. Errors and intervals are those of the ratio of all cells; R² is that "
        "of all lines together."
    )


def _not_used(
    adata: AnnData, key: str, numbers: pd.Index, columns: pd.Index
) -> pd.DataFrame | None:
    """Return rows for the genes of the input that `adata` lacks; None if it lacks none.

    Of the `columns`, some have `numbers`.
    """
    genes = _keys.ALL_GENES.read(adata, key, default=None)
    if genes is None:
        return None
    left = genes[~genes.index.isin(adata.var_names)]
    if len(left) == 0:
        return None
    used = left[_keys.GENES_USED.of()].to_numpy(dtype=bool)
    found = {
        "status": np.where(used, "not in this file", "not used"),
        "reason": left[_keys.GENES_REASON.of()].astype(str),
        "shared counts": left[_keys.SHARED_COUNTS.of()].astype(float),
        "model": "",
        "upper cluster": "",
        _COMMON_IN: "",
    }
    rows = pd.DataFrame(found, index=left.index).reindex(columns=columns)
    return rows.astype(dict.fromkeys(numbers, float))


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: four digits, None for NaN, text for infinities."""
    if isinstance(value, str):
        return value
    number = float(value)
    if np.isnan(number):
        return None
    if np.isinf(number):
        return "∞" if number > 0 else "-∞"
    return float(f"{number:.4g}") if abs(number) < 1e4 else round(number)


def _extremes(adata: AnnData, key: str, n: int) -> tuple[list[str], list[str]]:
    """Return the genes with the highest and with the lowest R² among those with many counts."""
    r2 = _keys.R2.read(adata, key)
    fitted = _keys.GAMMA.read(adata, key).notna() & r2.notna()
    if _keys.SHARED_COUNTS.is_in(adata):
        # a gene detected in a few cells can have the highest R² by chance
        counts = _keys.SHARED_COUNTS.read(adata)
        fitted &= counts >= counts[fitted].median()
    ranked = r2[fitted].sort_values(ascending=False, kind="stable").index
    n = min(n, max(len(ranked) // 2, 1))
    best = [str(name) for name in ranked[:n]]
    return best, [str(name) for name in ranked[::-1][:n] if str(name) not in best]
