"""The neighbour graph of an AnnData, as scanpy writes it, whoever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import check_key, check_sparse, warn
from steadyvelo._adata._provenance import check_cells

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["connectivities", "distances", "has_neighbors"]

_REMEDY = "run pp.neighbors, or name the graph with neighbors_key=."


def has_neighbors(adata: AnnData, neighbors_key: str | None = None) -> bool:
    """Tell whether there is a complete graph."""
    entry = adata.uns.get(neighbors_key or _keys.NEIGHBORS.of(), {})
    return all(
        _obsp_key(adata, field, neighbors_key) in adata.obsp or field.name in entry
        for field in (_keys.CONNECTIVITIES, _keys.DISTANCES)
    )


def connectivities(adata: AnnData, neighbors_key: str | None = None) -> sp.csr_array[Any]:
    """Return the symmetric graph whose pattern smooths."""
    return _graph(adata, _keys.CONNECTIVITIES, neighbors_key)


def distances(adata: AnnData, neighbors_key: str | None = None) -> sp.csr_array[Any]:
    """Return the directed graph of nearest neighbours; a stored zero is a neighbour too."""
    return _graph(adata, _keys.DISTANCES, neighbors_key)


def _obsp_key(adata: AnnData, field: _keys.Field, neighbors_key: str | None) -> str:
    entry = adata.uns.get(neighbors_key or _keys.NEIGHBORS.of())
    named = f"{field.name}_key"
    if entry is not None and named in entry:
        return str(entry[named])
    return field.name if neighbors_key is None else f"{neighbors_key}_{field.name}"


def _graph(adata: AnnData, field: _keys.Field, neighbors_key: str | None) -> sp.csr_array[Any]:
    if neighbors_key is not None:
        check_key(adata, "uns", neighbors_key, "name a graph of scanpy's pp.neighbors.")
    name = _obsp_key(adata, field, neighbors_key)
    entry = adata.uns.get(neighbors_key or _keys.NEIGHBORS.of(), {})
    stored = entry.get(field.name) if name not in adata.obsp else None
    if stored is None:
        stored = check_key(adata, "obsp", name, _REMEDY)
    elif stored.shape != (adata.n_obs, adata.n_obs):
        # graphs of early scanpy lie in uns, where they are not sliced with the cells
        msg = (
            f"the neighbour graph in uns is {stored.shape[0]:,} × {stored.shape[1]:,} and adata "
            f"holds {adata.n_obs:,} cells; rerun pp.neighbors."
        )
        raise ValueError(msg)
    if sp.issparse(stored) and stored.format in {"csr", "csc"}:
        check_sparse(stored, f"obsp[{name!r}]")
    graph = sp.csr_array(stored)
    check_cells(adata, dict(entry.get("params", {})), "the neighbour graph", "pp.neighbors")
    if graph.data.size and not np.isfinite(graph.data).all():
        msg = f"obsp[{name!r}] holds NaN or infinite values; rerun pp.neighbors."
        raise ValueError(msg)
    if field is _keys.DISTANCES:
        _look_sliced(graph, dict(entry.get("params", {})), name)
    return graph


def _look_sliced(graph: sp.csr_array[Any], params: dict[str, Any], name: str) -> None:
    """Warn of a graph of another tool that looks as if cells were removed after it was made."""
    k = params.get("n_neighbors")
    stored = np.diff(graph.indptr)
    # scanpy stores k or k − 1 neighbours in every row; unequal rows with none above that are
    # what slicing leaves. (A batch-balanced graph has rows above its k.)
    if "cells_hash" in params or k is None or stored.max(initial=0) > int(k):
        return
    short = stored < int(k) - 1
    if short.mean() > 0.05:
        warn(
            f"obsp[{name!r}] was made for {int(k)} neighbours a cell and {int(short.sum()):,} of "
            f"{len(short):,} cells have fewer: were cells removed after it was computed? If so, "
            "rerun pp.neighbors.",
            stacklevel=5,
        )
