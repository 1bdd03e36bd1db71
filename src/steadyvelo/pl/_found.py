"""Defaults of pictures: the column of clusters, and the embedding with arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo import _keys
from steadyvelo._adata._checks import listed
from steadyvelo._adata._groups import cluster_column

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["AUTO", "found_basis", "found_color"]

AUTO = "auto"


def found_color(adata: AnnData, color: str | None) -> str | None:
    """Return the column for colours: the given one, or with ``"auto"`` the clusters, or None."""
    if color != AUTO or AUTO in adata.obs:
        return color
    return cluster_column(adata)


def found_basis(adata: AnnData, basis: str, velocity_key: str) -> str:
    """Return the embedding to draw on, without ``"X_"``.

    With ``"auto"``, this is the embedding whose arrows were computed last. If no embedding has
    arrows, it is the only embedding (principal components are ignored if there is another one).
    """
    if basis != AUTO or _keys.EMBEDDING.is_in(adata, basis=AUTO):
        return basis.removeprefix("X_")
    there = [name.removeprefix("X_") for name in adata.obsm if name.startswith("X_")]
    made = _keys.PARAMS.read(adata, velocity_key, default={}).get("embeddings", [])
    drawn = [
        str(name)
        for name in made
        if name in there and _keys.VELOCITY_EMBEDDING.is_in(adata, velocity_key, str(name))
    ]
    if drawn:
        return drawn[-1]
    maps = [name for name in there if name != "pca"] or there
    if len(maps) == 1:
        return maps[0]
    msg = (
        f"no embedding has arrows of {velocity_key!r}, and adata.obsm has {listed(maps)}; name an "
        "embedding with basis=, after tl.velocity_embedding(adata, basis=...)."
    )
    raise KeyError(msg)
