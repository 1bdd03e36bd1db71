"""Embeddings and their arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys

from ._checks import listed

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["check_arrows", "check_finite_embedding", "find_basis"]


def find_basis(adata: AnnData) -> str | None:
    """Return the first usual embedding that `adata` has, or None."""
    there = (name for name in _keys.EMBEDDINGS if _keys.EMBEDDING.is_in(adata, basis=name))
    return next(there, None)


def check_finite_embedding(adata: AnnData, basis: str) -> NDArray[np.float64]:
    """Return an embedding in float64; refuse a missing one and non-finite coordinates."""
    name = basis.removeprefix("X_")
    there = [key.removeprefix("X_") for key in adata.obsm if key.startswith("X_")]
    if not _keys.EMBEDDING.is_in(adata, basis=name):
        msg = f"basis={basis!r} is not in adata.obsm, which has {listed(there)}."
        raise KeyError(msg)
    embedding = np.asarray(_keys.EMBEDDING.read(adata, basis=name), dtype=np.float64)
    bad = ~np.isfinite(embedding).all(axis=1)
    if bad.any():
        msg = (
            f"the embedding {basis!r} has NaN or infinite coordinates in {int(bad.sum()):,} cells "
            f"({listed(adata.obs_names[bad], 3)}); recompute it or leave these cells out."
        )
        raise ValueError(msg)
    return embedding


def check_arrows(adata: AnnData, basis: str, velocity_key: str) -> NDArray[np.float64]:
    """Return the arrows on an embedding in float64; refuse with the remedy if there are none."""
    remedy = f"run tl.velocity_embedding(adata, basis={basis!r}) first."
    arrows = _keys.VELOCITY_EMBEDDING.read(adata, velocity_key, basis, remedy=remedy)
    return np.asarray(arrows, dtype=np.float64)
