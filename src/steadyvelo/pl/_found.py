"""The column of clusters that a picture finds by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo._adata._embeddings import AUTO
from steadyvelo._adata._groups import cluster_column

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["found_color"]


def found_color(adata: AnnData, color: str | None) -> str | None:
    """Return the column for colours: the given one, or with ``"auto"`` the clusters, or None."""
    if color != AUTO or AUTO in adata.obs:
        return color
    return cluster_column(adata)
