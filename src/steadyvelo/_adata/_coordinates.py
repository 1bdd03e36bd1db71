"""Where the coordinates of an embedding lie, whatever program wrote them.

scanpy writes ``obsm["X_umap"]``, and its versions since 1.13 also ``obsm["umap"]``; objects that
come from R have ``obsm["UMAP"]`` or columns ``UMAP_1`` and ``UMAP_2`` of `obs`, and velocyto's loom
files columns ``_X`` and ``_Y``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from steadyvelo import _keys

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["Place", "all_bases", "basis_name", "coordinates", "embedding_place", "usual_place"]

# columns of obs in which velocyto's looms have a t-SNE
_OF_LOOM = ("_X", "_Y")
# dimensions of an embedding that is drawn, if it has no usual name
_DRAWN = (2, 3)
# the first component of scanpy's diffusion maps is that of the stationary state
_FIRST = {"diffmap": 1}
_PCA = "pca"


class Place(NamedTuple):
    """A place of coordinates.

    Attributes
    ----------
    basis
        Name of the embedding, under which arrows are stored.
    slot
        ``"obsm"``, or ``"obs"`` for columns.
    keys
        The key of `obsm`, or the columns.
    """

    basis: str
    slot: str
    keys: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as it is written in Python."""
        return " and ".join(f"{self.slot}[{key!r}]" for key in self.keys)

    @property
    def in_obsm(self) -> list[str]:
        """The key in `obsm`, if it is there."""
        return list(self.keys) if self.slot == "obsm" else []


def basis_name(name: str) -> str:
    """Return the name of an embedding without ``X_``; usual names in small letters."""
    bare = name.removeprefix("X_")
    return bare.lower() if bare.lower() in _keys.EMBEDDINGS else bare


def embedding_place(adata: AnnData, basis: str) -> Place | None:
    """Return where an embedding lies; None if it is nowhere.

    A key may differ in capitals and signs if only one does.
    """
    name = basis_name(basis)
    for key in (f"X_{name}", f"X_{basis}", basis, name):
        if key in adata.obsm:
            return Place(name, "obsm", (key,))
    # without letters or digits nothing is alike
    alike = [key for key in adata.obsm if _letters(key) == _letters(name) != ""]
    if len(alike) == 1:
        return Place(name, "obsm", (alike[0],))
    columns = _columns(adata, name)
    return Place(name, "obs", columns) if columns else None


def usual_place(adata: AnnData, *, if_clear: bool = False) -> Place | None:
    """Return the first usual embedding, or coordinates of another name that can be drawn.

    With `if_clear`, several other names are not chosen among.
    """
    for name in _keys.EMBEDDINGS:
        place = embedding_place(adata, name)
        if place is not None:
            return place
    drawn = [key for key in adata.obsm if _can_be_drawn(adata, key)]
    # names that contain a usual one come first, places in a tissue last
    rank = {
        key: next((k for k, name in enumerate(_keys.EMBEDDINGS) if name in key.lower()), 99)
        + 100 * ("spatial" in key.lower())
        for key in drawn
    }
    if not drawn or (if_clear and len(drawn) > 1):
        return None
    key = min(drawn, key=lambda key: rank[key])
    return Place(basis_name(key), "obsm", (key,))


def coordinates(adata: AnnData, place: Place) -> NDArray[np.float64]:
    """Return coordinates in float64, (cells, dimensions).

    The first component of scanpy's diffusion maps is left out: it is that of the stationary state.
    """
    if place.slot == "obs":
        return adata.obs[list(place.keys)].to_numpy(dtype=np.float64)
    values: Any = np.asarray(adata.obsm[place.keys[0]], dtype=np.float64)
    return np.ascontiguousarray(values[:, _FIRST.get(place.basis, 0) :])


def all_bases(adata: AnnData) -> list[str]:
    """Return the names of all embeddings, for messages."""
    names = [basis_name(key) for key in adata.obsm if not _is_arrows(adata, key)]
    names += [name for name in _keys.EMBEDDINGS if _columns(adata, name)]
    return list(dict.fromkeys(names))


def _columns(adata: AnnData, name: str) -> tuple[str, ...]:
    """Return the columns of `obs` with the first two dimensions; empty if they are not there."""
    found = {}
    for column in map(str, adata.obs):
        match = re.fullmatch(r"(?:X_)?(.+?)[_. -]?([12])", column)
        if match and _letters(match[1]) == _letters(name) and _is_number(adata, column):
            found[match[2]] = column
    if len(found) == len(("1", "2")):
        return found["1"], found["2"]
    if name == "tsne" and all(c in adata.obs and _is_number(adata, c) for c in _OF_LOOM):
        return _OF_LOOM
    return ()


def _is_number(adata: AnnData, column: str) -> bool:
    kind = adata.obs[column].dtype
    return bool(pd.api.types.is_float_dtype(kind))


def _can_be_drawn(adata: AnnData, key: str) -> bool:
    values = np.asarray(adata.obsm[key])
    number = values.dtype.kind == "f" and values.ndim == 2 and values.shape[1] in _DRAWN
    return number and basis_name(key) != _PCA and not _is_arrows(adata, key)


def _is_arrows(adata: AnnData, key: str) -> bool:
    """Tell whether an array has arrows of a fit, or of another velocity tool."""
    fits = [name.removesuffix("_params") for name in adata.uns if name.endswith("_params")]
    return any(key.startswith(f"{fit}_") for fit in ("velocity", *fits))


def _letters(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text.removeprefix("X_").lower())
