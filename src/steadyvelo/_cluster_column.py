"""The column of clusters, where a caller names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo import _keys
from steadyvelo._sources import used_cells
from steadyvelo.tl._cluster_directions import labels_of

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["MOST_CLUSTERS", "check_clusters", "cluster_column"]

# more are not clusters, and no page or legend has room for them
MOST_CLUSTERS = 100


def cluster_column(adata: AnnData) -> str | None:
    """Return the first column of `obs` with a usual name that holds some clusters, or None."""
    there = [name for name in _keys.CLUSTER_COLUMNS if name in adata.obs]
    return next((name for name in there if 0 < adata.obs[name].nunique() <= MOST_CLUSTERS), None)


def check_clusters(adata: AnnData, groupby: str) -> None:
    """Refuse a column that is not there, labels no cell, or holds too many values for clusters."""
    names, _ = labels_of(adata, groupby, used_cells(adata))
    if len(names) > MOST_CLUSTERS:
        msg = (
            f"obs[{groupby!r}] holds {len(names):,} different values; a page has room for "
            f"{MOST_CLUSTERS} clusters. Name a column of clusters (groupby=, --clusters)."
        )
        raise ValueError(msg)
