"""Groups of cells from columns of `obs`: used cells, clusters, samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys

from ._checks import check_column, listed

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = [
    "AUTO",
    "MOST_CLUSTERS",
    "check_clusters",
    "cluster_codes",
    "cluster_column",
    "found_column",
    "group_masks",
    "grouping_column",
    "in_groups",
    "is_auto",
    "sample_codes",
    "used_cells",
    "within_codes",
]

# columns with more values do not contain clusters, and would not fit into a page or a legend
MOST_CLUSTERS = 100
# a column with more values groups no cells if it has a value for every few cells, or fractions
_FEW_VALUES, _CELLS_OF_A_VALUE = 20, 3
# finds a column or an embedding
AUTO = "auto"
# arguments that choose among the values of a column, and the argument that names the column
_COLUMN_OF = {"groups": "groupby", "conditions": "condition_key"}


def used_cells(adata: AnnData) -> NDArray[np.bool_]:
    """Return the cells that are used, shape (cells,)."""
    column = _keys.CELLS_USED.read(adata, default=None)
    if column is None:
        return np.ones(adata.n_obs, dtype=bool)
    unknown = int(column.isna().sum())
    if unknown:
        msg = (
            f"adata.obs[{column.name!r}] has {unknown:,} missing values; set them to True or False."
        )
        raise ValueError(msg)
    return column.to_numpy(dtype=bool)


def cluster_codes(
    adata: AnnData,
    groupby: str | None,
    cells: NDArray[np.bool_] | None = None,
    *,
    argument: str = "groupby",
) -> tuple[list[str], NDArray[np.intp]]:
    """Return the names of clusters and the number of each cell's cluster, −1 for none.

    Without a column, no cell has a cluster. Only `cells` can have a cluster; None means used cells.
    `argument` is the name of the argument that names the column.
    """
    if groupby is None:
        return [], np.full(adata.n_obs, -1, dtype=np.intp)
    column = grouping_column(adata, argument, groupby, "give a column of clusters.")
    kept = pd.Series(used_cells(adata) if cells is None else cells, index=column.index)
    labels = pd.Categorical(column.astype("category").where(kept)).remove_unused_categories()
    if len(labels.categories) == 0:
        msg = f"obs[{groupby!r}] has no value for any used cell; give another column."
        raise ValueError(msg)
    return [str(name) for name in labels.categories], labels.codes.astype(np.intp)


def grouping_column(adata: AnnData, argument: str, key: str, remedy: str) -> pd.Series:
    """Return a column of `obs` that groups cells; refuse one of numbers or of a value per cell."""
    column: pd.Series = check_column(adata, "obs", argument, key, remedy)
    values = column.dropna()
    n = values.nunique()
    continuous = pd.api.types.is_float_dtype(column.dtype) and not (values % 1 == 0).all()
    if n > _FEW_VALUES and (continuous or _CELLS_OF_A_VALUE * n > len(values)):
        what = "numbers that vary continuously" if continuous else "nearly a value for each cell"
        msg = (
            f"{argument}={key!r} does not group the cells: obs[{key!r}] has {what} ({n:,} "
            f"different values of {len(values):,} cells); {remedy}"
        )
        raise ValueError(msg)
    return column


def is_auto(name: str | None, there: Container[str]) -> bool:
    """Tell whether a name is ``"auto"`` and is not the name of an entry."""
    return name == AUTO and AUTO not in there


def found_column(adata: AnnData, column: str | None) -> str | None:
    """Return a column of `obs`: the given one, or with ``"auto"`` the clusters, or None."""
    return cluster_column(adata) if is_auto(column, adata.obs) else column


def cluster_column(adata: AnnData) -> str | None:
    """Return the first usual column of `obs` that contains clusters, or None."""
    there = [name for name in _keys.CLUSTER_COLUMNS if name in adata.obs]
    return next((name for name in there if 0 < adata.obs[name].nunique() <= MOST_CLUSTERS), None)


def check_clusters(adata: AnnData, groupby: str) -> None:
    """Refuse a column that is missing, or has no values or too many values for clusters."""
    names, _ = cluster_codes(adata, groupby)
    if len(names) > MOST_CLUSTERS:
        msg = (
            f"obs[{groupby!r}] has {len(names):,} different values, more than the "
            f"{MOST_CLUSTERS} that are possible; give a column of clusters (groupby=, --groupby)."
        )
        raise ValueError(msg)


def in_groups(
    adata: AnnData, groups: str | Sequence[str] | None, groupby: str | None
) -> NDArray[np.bool_]:
    """Return the cells that belong to some groups, shape (cells,); all cells if groups is None."""
    if groups is None:
        return np.ones(adata.n_obs, dtype=bool)
    if groupby is None:
        msg = f"groups={groups!r} needs groupby=, the column of obs with the groups."
        raise ValueError(msg)
    labels = _labels(adata, groupby, "groups")
    return labels.isin(_asked(labels, groupby, groups, "groups")).to_numpy()


def group_masks(
    adata: AnnData,
    groupby: str,
    groups: str | Sequence[str] | None,
    *,
    what: str = "groups",
    against_rest: bool = False,
    least: int = 2,
) -> dict[str, NDArray[np.bool_]]:
    """Return the cells of each group; refuse unknown groups, and fewer groups than `least`.

    `what` is the argument with the groups, ``"groups"`` or ``"conditions"``. With `against_rest`,
    groups are compared with all other cells, so one group is enough if there are other groups.
    """
    labels = _labels(adata, groupby, what)
    there = [str(name) for name in pd.Categorical(labels).categories]
    names = there if groups is None else _asked(labels, groupby, groups, what)
    if len(there if against_rest else names) < least:
        msg = (
            f"a comparison needs at least {least} {what} of obs[{groupby!r}], but there is "
            f"{len(names)}; give another column as {_COLUMN_OF[what]}=, or more {what}."
        )
        raise ValueError(msg)
    return {name: (labels == name).to_numpy() for name in names}


def sample_codes(adata: AnnData, sample_key: str | None) -> NDArray[np.intp] | None:
    """Return the number of each cell's sample; None if no column is given."""
    if sample_key is None:
        return None
    column = grouping_column(adata, "sample_key", sample_key, "give a column of samples.")
    if column.isna().any():
        msg = (
            f"obs[{sample_key!r}] has no sample for {int(column.isna().sum()):,} cells; give every "
            "cell a sample, or leave these cells out."
        )
        raise ValueError(msg)
    codes, names = pd.factorize(column)
    if len(names) < 2:
        msg = (
            f"obs[{sample_key!r}] has one sample only, {names[0]!r}; errors between samples need "
            "at least two."
        )
        raise ValueError(msg)
    return np.asarray(codes, dtype=np.intp)


def within_codes(
    adata: AnnData, within: str | None, remedy: str = "give a column of batches or conditions."
) -> NDArray[np.intp] | None:
    """Return the number of each cell's group, within which neighbours are searched; or None."""
    if within is None:
        return None
    column = grouping_column(adata, "within", within, remedy)
    without = column.isna()
    if without.any():
        msg = (
            f"within={within!r}: obs[{within!r}] has no value for {int(without.sum()):,} cells "
            f"({listed(adata.obs_names[without], 3)}); give every cell a group, or leave these "
            "cells out."
        )
        raise ValueError(msg)
    return np.asarray(pd.factorize(column)[0], dtype=np.intp)


def _labels(adata: AnnData, groupby: str, what: str) -> pd.Series[str]:
    """Return the group of every cell as text, missing for cells without a group."""
    column = grouping_column(adata, _COLUMN_OF[what], groupby, f"give a column of {what}.")
    return column[column.notna()].astype(str).reindex(adata.obs_names)


def _asked(
    labels: pd.Series[str], groupby: str, groups: str | Sequence[str], what: str
) -> list[str]:
    """Return the names of groups, each once; refuse unknown groups and an empty list."""
    names = [str(name) for name in np.atleast_1d(np.asarray(groups, dtype=object))]
    there = [str(name) for name in pd.Categorical(labels).categories]
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        msg = f"{what} {listed(unknown)} are not in obs[{groupby!r}], which has {listed(there)}."
        raise KeyError(msg)
    return list(dict.fromkeys(names))
