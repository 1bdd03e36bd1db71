"""Ambiguous molecules, which overlap introns and exons, counted in another layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys, pp
from steadyvelo._adata._ambiguous import assigned_to

if TYPE_CHECKING:
    from anndata import AnnData

    from steadyvelo._adata._fit import Fit

__all__ = ["move_ambiguous", "other_assignments"]

_KINDS = ("spliced", "unspliced")


def other_assignments(fit: Fit) -> list[str]:
    """Return the layers in which ambiguous molecules could be counted instead."""
    now = assigned_to(fit.adata)
    usual = (fit.options.spliced, fit.options.unspliced) == _KINDS
    if now is None or not usual or _keys.AMBIGUOUS.read(fit.adata).sum() == 0:
        return []
    return [kind for kind in _KINDS if kind != now]


def move_ambiguous(copy: AnnData, fit: Fit, target: str) -> None:
    """Count ambiguous molecules in another layer, with the library sizes that follow from it."""
    both = sp.csr_matrix(_keys.AMBIGUOUS.read(copy))
    moved = _totals(fit.adata, both)
    now = assigned_to(fit.adata)
    made = _keys.SIZE_PARAMS.read(fit.adata, default={})
    sizes = {}
    for kind in _KINDS:
        sign = (kind == target) - int(kind == now)
        layer = sp.csr_matrix(copy.layers[kind])
        copy.layers[kind] = layer + sign * both
        source = str(made.get(f"{kind}_size", "layer"))
        own = layer.sum(axis=1, dtype=np.float64) if source == "layer" else copy.obs[source]
        sizes[f"{kind}_size"] = f"{kind} size with ambiguous molecules elsewhere"
        total = np.asarray(own, dtype=np.float64).ravel() + sign * moved
        copy.obs[sizes[f"{kind}_size"]] = np.maximum(total, 0.0)
    pp.size_factors(copy, method=made.get("method", "per_layer"), **sizes)
    _keys.CELLS_USED.write(copy, _keys.CELLS_USED.values(copy) & fit.inputs.cells)


def _totals(adata: AnnData, both: sp.csr_matrix) -> np.ndarray:
    """Return the ambiguous molecules of each cell over all genes, or over those of the layer."""
    if _keys.AMBIGUOUS_TOTAL.is_in(adata):
        return _keys.AMBIGUOUS_TOTAL.values(adata).astype(np.float64)
    return np.asarray(both.sum(axis=1, dtype=np.float64)).ravel()
