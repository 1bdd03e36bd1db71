"""A copy of an AnnData that shares the arrays of the original."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anndata import AnnData

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["light_copy"]


def light_copy(
    adata: AnnData, *, var: Iterable[str] | None = None, **chosen: Iterable[str]
) -> AnnData:
    """Return an AnnData that shares the arrays, but has its own annotations.

    Large arrays are not copied, and what is added to the copy is not added to the original. The
    copy has the given columns of genes (None means all). Of ``layers``, ``obsm``, ``varm``,
    ``obsp`` and ``uns`` it has the given entries as far as they exist; a slot that is not given is
    kept as a whole.
    """

    def entries(slot: str) -> dict[str, Any]:
        mapping = getattr(adata, slot)
        names = chosen.get(slot, mapping)
        # anndata 0.13 stores X as the layer None
        return {name: mapping[name] for name in names if name is not None and name in mapping}

    slots = ("layers", "obsm", "varm", "obsp", "uns")
    columns = list(adata.var) if var is None else [name for name in var if name in adata.var]
    return AnnData(
        obs=adata.obs.copy(), var=adata.var[columns].copy(), **{s: entries(s) for s in slots}
    )
