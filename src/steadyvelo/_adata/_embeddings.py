"""Embeddings and their arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys

from ._chain import rerun_chain
from ._checks import listed
from ._coordinates import all_bases, basis_name, coordinates, embedding_place, usual_place
from ._fingerprints import check_coordinates
from ._groups import AUTO
from ._provenance import check_schema

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["check_arrows", "check_finite_embedding", "found_basis"]


def check_finite_embedding(adata: AnnData, basis: str) -> NDArray[np.float64]:
    """Return an embedding in float64; refuse a missing one and non-finite coordinates."""
    place = embedding_place(adata, basis)
    if place is None:
        msg = f"basis={basis!r} is not in adata.obsm, which has {listed(all_bases(adata))}."
        raise KeyError(msg)
    embedding = coordinates(adata, place)
    bad = ~np.isfinite(embedding).all(axis=1)
    if bad.any():
        msg = (
            f"the embedding {basis!r} has NaN or infinite coordinates in {int(bad.sum()):,} cells "
            f"({listed(adata.obs_names[bad], 3)}); recompute it or leave these cells out."
        )
        raise ValueError(msg)
    return embedding


def check_readable(adata: AnnData, velocity_key: str) -> None:
    """Raise an error if another version of this package stored a result in another form."""
    made = _keys.PARAMS.read(adata, velocity_key, default={})
    # arrows of another tool have no record
    if "cells_hash" in made:
        rerun = f"tl.velocity(adata, key_added={velocity_key!r})"
        check_schema(made, f"uns[{_keys.PARAMS.of(velocity_key)!r}]", rerun)


def check_arrows(adata: AnnData, basis: str, velocity_key: str) -> NDArray[np.float64]:
    """Return the arrows on an embedding in float64; refuse with the remedy if there are none."""
    rerun, remedy = f"tl.velocity_embedding(adata, basis={basis!r})", ""
    check_readable(adata, velocity_key)
    if not _keys.VELOCITY_EMBEDDING.is_in(adata, velocity_key, basis):
        remedy = f"run {rerun_chain(adata, rerun, key=velocity_key)} first."
    arrows = _keys.VELOCITY_EMBEDDING.read(adata, velocity_key, basis, remedy=remedy)
    arrows = np.asarray(arrows, dtype=np.float64)
    coordinates = check_finite_embedding(adata, basis)
    if arrows.shape != coordinates.shape:
        msg = (
            f"arrows on {basis!r} have {arrows.shape[1]} dimensions and the embedding has "
            f"{coordinates.shape[1]}, so they are those of another embedding; rerun {rerun}."
        )
        raise ValueError(msg)
    same = {"key": velocity_key, "basis": basis}
    check_coordinates(adata, _keys.ARROWS_ON, coordinates, **same, what="arrows", rerun=rerun)
    rerun = f"tl.direction or tl.reliability with basis={basis!r}"
    check_coordinates(
        adata, _keys.DIRECTIONS_ON, coordinates, **same, what="tests of directions", rerun=rerun
    )
    return arrows


def found_basis(adata: AnnData, basis: str, velocity_key: str) -> str:
    """Return the embedding to use, without ``"X_"``.

    With ``"auto"``, this is the embedding whose arrows were computed last. If no embedding has
    arrows, it is the first usual one (umap, tsne ...), or the only one (principal components are
    ignored if there is another one).
    """
    if basis != AUTO or embedding_place(adata, AUTO) is not None:
        return basis_name(basis)
    made = _keys.PARAMS.read(adata, velocity_key, default={}).get("embeddings", [])
    drawn = [
        str(name)
        for name in made
        if embedding_place(adata, str(name)) is not None
        and _keys.VELOCITY_EMBEDDING.is_in(adata, velocity_key, str(name))
    ]
    if drawn:
        return drawn[-1]
    usual, there = usual_place(adata, if_clear=True), all_bases(adata)
    maps = [name for name in there if name != "pca"] or there
    if usual is not None or len(maps) == 1:
        return usual.basis if usual is not None else maps[0]
    msg = (
        f"no embedding has arrows of {velocity_key!r}, and adata.obsm has {listed(maps)}; name an "
        "embedding with basis=, after tl.velocity_embedding(adata, basis=...)."
    )
    raise KeyError(msg)
