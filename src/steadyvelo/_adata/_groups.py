"""Groups of cells by a column of `obs`: cells that are used, clusters, samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys

from ._checks import check_key, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = [
    "MOST_CLUSTERS",
    "check_clusters",
    "cluster_codes",
    "cluster_column",
    "group_masks",
    "in_groups",
    "sample_codes",
    "used_cells",
]

# more are not clusters, and no page or legend has room for them
MOST_CLUSTERS = 100


def used_cells(adata: AnnData) -> NDArray[np.bool_]:
    """Return the cells that are not flagged, shape (cells,)."""
    column = _keys.CELLS_USED.read(adata, default=None)
    if column is None:
        return np.ones(adata.n_obs, dtype=bool)
    unknown = int(column.isna().sum())
    if unknown:
        msg = f"adata.obs[{column.name!r}] is unknown for {unknown:,} cells; set it."
        raise ValueError(msg)
    return column.to_numpy(dtype=bool)


def cluster_codes(
    adata: AnnData, groupby: str | None, cells: NDArray[np.bool_] | None = None
) -> tuple[list[str], NDArray[np.intp]]:
    """Return names of clusters and the number of each cell's, −1 for none.

    Without a column all cells have none; `cells` are those that may have one, None for the used.
    """
    if groupby is None:
        return [], np.full(adata.n_obs, -1, dtype=np.intp)
    column = check_key(adata, "obs", groupby, "name the column that holds the clusters.")
    kept = pd.Series(used_cells(adata) if cells is None else cells, index=column.index)
    labels = pd.Categorical(column.astype("category").where(kept)).remove_unused_categories()
    if len(labels.categories) == 0:
        msg = f"obs[{groupby!r}] has a label for no cell that is used; name another column."
        raise ValueError(msg)
    return [str(name) for name in labels.categories], labels.codes.astype(np.intp)


def cluster_column(adata: AnnData) -> str | None:
    """Return the first column of `obs` with a usual name that holds some clusters, or None."""
    there = [name for name in _keys.CLUSTER_COLUMNS if name in adata.obs]
    return next((name for name in there if 0 < adata.obs[name].nunique() <= MOST_CLUSTERS), None)


def check_clusters(adata: AnnData, groupby: str) -> None:
    """Refuse a column that is not there, labels no cell, or holds too many values for clusters."""
    names, _ = cluster_codes(adata, groupby)
    if len(names) > MOST_CLUSTERS:
        msg = (
            f"obs[{groupby!r}] holds {len(names):,} different values; a page has room for "
            f"{MOST_CLUSTERS} clusters. Name a column of clusters (groupby=, --groupby)."
        )
        raise ValueError(msg)


def in_groups(
    adata: AnnData, groups: str | Sequence[str] | None, groupby: str | None
) -> NDArray[np.bool_]:
    """Return the cells that belong to some groups, shape (cells,); all cells without groups."""
    if groups is None:
        return np.ones(adata.n_obs, dtype=bool)
    if groupby is None:
        msg = f"groups={groups!r} needs groupby=, the column of obs that holds the groups."
        raise ValueError(msg)
    labels = _labels(adata, groupby)
    return labels.isin(_asked(labels, groupby, groups)).to_numpy()


def group_masks(
    adata: AnnData,
    groupby: str,
    groups: str | Sequence[str] | None,
    *,
    against_rest: bool = False,
    least: int = 2,
) -> dict[str, NDArray[np.bool_]]:
    """Return the cells of each group; refuse groups that are not there, and fewer than `least`.

    Where groups are compared with all other cells, one is enough if there are others.
    """
    labels = _labels(adata, groupby)
    there = [str(name) for name in pd.Categorical(labels).categories]
    names = there if groups is None else _asked(labels, groupby, groups)
    if len(there if against_rest else names) < least:
        msg = f"{len(names)} group of obs[{groupby!r}] cannot be compared; name two or more."
        raise ValueError(msg)
    return {name: (labels == name).to_numpy() for name in names}


def sample_codes(adata: AnnData, sample_key: str | None) -> NDArray[np.intp] | None:
    """Return the number of each cell's sample (or batch); None where no column is named."""
    if sample_key is None:
        return None
    column = check_key(adata, "obs", sample_key, "name the column that holds the batches.")
    if column.isna().any():
        msg = f"obs[{sample_key!r}] is unknown for {int(column.isna().sum()):,} cells; set it."
        raise ValueError(msg)
    codes, names = pd.factorize(column)
    if len(names) < 2:
        msg = f"obs[{sample_key!r}] holds one batch, {names[0]!r}; errors over batches need two."
        raise ValueError(msg)
    return np.asarray(codes, dtype=np.intp)


def _labels(adata: AnnData, groupby: str) -> pd.Series[str]:
    """Return the label of every cell as text, missing for a cell that belongs to no group."""
    column = check_key(adata, "obs", groupby, "name the column that holds the groups.")
    return column[column.notna()].astype(str).reindex(adata.obs_names)


def _asked(labels: pd.Series[str], groupby: str, groups: str | Sequence[str]) -> list[str]:
    """Return the names of groups, each once; refuse those that are not there, and none."""
    names = [str(name) for name in np.atleast_1d(np.asarray(groups, dtype=object))]
    there = [str(name) for name in pd.Categorical(labels).categories]
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        msg = f"groups {listed(unknown)} are not in obs[{groupby!r}], which has {listed(there)}."
        raise KeyError(msg)
    return list(dict.fromkeys(names))
