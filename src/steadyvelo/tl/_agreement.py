"""The agreement of the tested and the drawn arrows of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._fingerprints import on_same_coordinates

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["cosines", "write_agreement"]


def cosines(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosines between arrows; NaN if the length of one is zero."""
    length = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    some = length > 0
    return np.where(some, (x * y).sum(axis=1) / np.where(some, length, 1.0), np.nan)


def write_agreement(adata: AnnData, key: str, basis: str) -> None:
    """Write the cosine between both arrows of every cell, if both are on the same coordinates."""
    _keys.AGREEMENT.drop(adata, key, basis)
    if _keys.GRAPH_GENES.is_in(adata, key):
        # the tested arrows are those of all velocity genes, the drawn ones those of a programme
        return
    tested, drawn = (
        field.read(adata, key, basis, default=None)
        for field in (_keys.DIRECTION, _keys.VELOCITY_EMBEDDING)
    )
    if tested is None or drawn is None:
        return
    if on_same_coordinates(adata, key, basis):
        arrows = np.asarray(tested)
        cosine = cosines(arrows, np.asarray(drawn)[:, : arrows.shape[1]])
        _keys.AGREEMENT.write(adata, cosine, key, basis)
