"""The neighbour graph of an AnnData in scanpy's format, from any tool."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys

from ._chain import rerun_chain
from ._checks import check_key, check_sparse, warn
from ._provenance import check_cells

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = [
    "external",
    "graph_keys",
    "has_neighbors",
    "neighbor_graph",
    "neighbor_params",
    "representation",
    "search_options",
]

# distances in which pp.neighbors searches
_METRICS = ("euclidean", "cosine", "correlation")
_REMEDY = "run pp.neighbors, or give the name of a graph as neighbors_key=."


def has_neighbors(adata: AnnData, neighbors_key: str | None = None) -> bool:
    """Tell whether an AnnData has a complete graph."""
    entry = _entry(adata, neighbors_key)
    return all(
        _obsp_key(adata, field, neighbors_key) in adata.obsp or field.name in entry
        for field in (_keys.CONNECTIVITIES, _keys.DISTANCES)
    )


def neighbor_graph(
    adata: AnnData,
    field: _keys.Field,
    neighbors_key: str | None = None,
    cells_hash: str | None = None,
) -> sp.csr_array[Any]:
    """Return the symmetric graph that is used for smoothing, or the directed graph of distances.

    `field` says which graph; in distances a stored zero is a neighbour, too. `cells_hash` is the
    hash of the cells of `adata`, if it was computed already.
    """
    if neighbors_key is not None:
        check_key(adata, "uns", neighbors_key, "give the name of a graph of scanpy's pp.neighbors.")
    name = _obsp_key(adata, field, neighbors_key)
    entry = _entry(adata, neighbors_key)
    stored = entry.get(field.name) if name not in adata.obsp else None
    if stored is None:
        stored = check_key(adata, "obsp", name, _REMEDY)
    elif stored.shape != (adata.n_obs, adata.n_obs):
        # early versions of scanpy stored graphs in uns, where they are not subset with the cells
        msg = (
            f"the neighbour graph in uns is {stored.shape[0]:,} × {stored.shape[1]:,}, but adata "
            f"has {adata.n_obs:,} cells; rerun pp.neighbors."
        )
        raise ValueError(msg)
    if sp.issparse(stored) and stored.format in {"csr", "csc"}:
        check_sparse(stored, f"obsp[{name!r}]")
    graph = sp.csr_array(stored)
    params = dict(entry.get("params", {}))
    if "cells_hash" in params:
        rerun = partial(rerun_chain, adata, "pp.neighbors", neighbors_key=neighbors_key)
        check_cells(adata, params, "the neighbour graph", rerun, cells_hash)
    if graph.data.size and not np.isfinite(graph.data).all():
        msg = f"obsp[{name!r}] has NaN or infinite values; rerun pp.neighbors."
        raise ValueError(msg)
    if field is _keys.DISTANCES:
        _look_sliced(graph, params, name)
    return graph


def graph_keys(adata: AnnData, neighbors_key: str | None) -> list[str]:
    """Return the names of both graphs in `obsp`."""
    return [_obsp_key(adata, f, neighbors_key) for f in (_keys.CONNECTIVITIES, _keys.DISTANCES)]


def neighbor_params(adata: AnnData, neighbors_key: str | None) -> dict[str, Any]:
    """Return the parameters of the neighbour graph, as far as they are stored."""
    return dict(_entry(adata, neighbors_key).get("params", {}))


def external(params: dict[str, Any]) -> bool:
    """Tell whether neighbours come from a representation of other data than these counts."""
    return params.get("use_rep") not in {None, _keys.PCA.of(), "X"}


def search_options(params: dict[str, Any]) -> dict[str, Any]:
    """Return the metric of a search for neighbours, and the column of groups within which it was.

    They are arguments of :func:`steadyvelo.pp.neighbors`. Another metric, of scanpy, becomes
    ``"euclidean"``.
    """
    metric = str(params.get("metric", ""))
    return {
        "metric": metric if metric in _METRICS else "euclidean",
        "within": str(params.get("within", "")) or None,
    }


def representation(adata: AnnData, neighbors_key: str | None, remedy: str) -> NDArray[np.float32]:
    """Return the representation in which neighbours were found, or principal components."""
    params = neighbor_params(adata, neighbors_key)
    if external(params):
        rows = check_key(adata, "obsm", str(params["use_rep"]), remedy)
    else:
        rows = check_key(adata, "obsm", _keys.PCA.of(), remedy)
        rows = rows[:, : int(params.get("n_pcs", 0) or rows.shape[1])]
    return np.ascontiguousarray(rows, dtype=np.float32)


def _entry(adata: AnnData, neighbors_key: str | None) -> Any:
    """Return scanpy's entry of a graph in `uns`, or an empty mapping."""
    return adata.uns.get(neighbors_key or _keys.NEIGHBORS.of(), {})


def _obsp_key(adata: AnnData, field: _keys.Field, neighbors_key: str | None) -> str:
    entry = _entry(adata, neighbors_key)
    if (named := f"{field.name}_key") in entry:
        return str(entry[named])
    return field.name if neighbors_key is None else f"{neighbors_key}_{field.name}"


def _look_sliced(graph: sp.csr_array[Any], params: dict[str, Any], name: str) -> None:
    """Warn of a graph of another tool from which cells seem to have been removed."""
    k = params.get("n_neighbors")
    stored = np.diff(graph.indptr)
    # scanpy stores k or k − 1 neighbours in every row. If some rows have fewer and none has more,
    # cells were removed. (A batch-balanced graph has rows with more than k.)
    if "cells_hash" in params or k is None or stored.max(initial=0) > int(k):
        return
    short = stored < int(k) - 1
    if short.mean() > 0.05:
        warn(
            f"obsp[{name!r}] was computed with {int(k)} neighbours per cell, but "
            f"{int(short.sum()):,} of {len(short):,} cells have fewer. If cells were removed after "
            "it was computed, rerun pp.neighbors."
        )
