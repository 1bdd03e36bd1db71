"""An AnnData that can be written to while the user's stays as it is."""

from __future__ import annotations

from anndata import AnnData

__all__ = ["shared_copy"]


def shared_copy(adata: AnnData) -> AnnData:
    """Return an AnnData with the same arrays and annotations of its own.

    Nothing large is copied; what is added to the copy is not in the original.
    """
    layers = {name: layer for name, layer in adata.layers.items() if name is not None}
    return AnnData(
        obs=adata.obs.copy(),
        var=adata.var.copy(),
        layers=layers,
        obsm=dict(adata.obsm),
        varm=dict(adata.varm),
        obsp=dict(adata.obsp),
        uns=dict(adata.uns),
    )
