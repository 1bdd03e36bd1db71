"""An AnnData that can be written to while the one it shares arrays with stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anndata import AnnData

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["light_copy"]


def light_copy(
    adata: AnnData, *, var: Iterable[str] | None = None, **chosen: Iterable[str]
) -> AnnData:
    """Return an AnnData with the same arrays and annotations of its own.

    Nothing large is copied; what is added to the copy is not in the original. It has the named
    columns of genes (None means all), and of ``layers``, ``obsm``, ``varm``, ``obsp`` and ``uns``
    the entries that are named, where they are there; all of a slot that is not given.
    """

    def entries(slot: str) -> dict[str, Any]:
        mapping = getattr(adata, slot)
        names = chosen.get(slot, mapping)
        # anndata 0.13 keeps X among the layers, under None
        return {name: mapping[name] for name in names if name is not None and name in mapping}

    slots = ("layers", "obsm", "varm", "obsp", "uns")
    columns = list(adata.var) if var is None else [name for name in var if name in adata.var]
    return AnnData(
        obs=adata.obs.copy(), var=adata.var[columns].copy(), **{s: entries(s) for s in slots}
    )
