"""Where ambiguous molecules, which overlap introns and exons, are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steadyvelo import _keys

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["assigned_to", "separate_ambiguous"]

_KINDS = ("spliced", "unspliced")
_NONE = "neither layer"


def assigned_to(adata: AnnData) -> str | None:
    """Return the layer in which ambiguous molecules are counted; None if they are not known."""
    if not _keys.AMBIGUOUS.is_in(adata):
        return None
    choice = str(_keys.IMPORT.read(adata, default={}).get("ambiguous", ""))
    return choice if choice in _KINDS else _NONE


def separate_ambiguous(adata: AnnData) -> Any:
    """Return the layer of ambiguous molecules that are in no other layer; None if there is none."""
    return _keys.AMBIGUOUS.read(adata) if assigned_to(adata) == _NONE else None
