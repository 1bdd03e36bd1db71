"""Removal of results that belong to an earlier fit or graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo import _keys
from steadyvelo._adata._checks import writable
from steadyvelo._adata._coordinates import all_bases

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["clear", "clear_direction", "clear_fit", "clear_graph"]

_OF_FIT = (
    _keys.VELOCITY,
    _keys.WEIGHTS_LAYER,
    _keys.WEIGHTS_COLUMN,
    _keys.VARIABLE_PASSES,
    _keys.REFITTED,
    _keys.OFFSET2,
    _keys.SPLICED_CHECKSUM,
    _keys.UNSPLICED_CHECKSUM,
    _keys.WEIGHTS_CHECKSUM,
    _keys.RANKED_GENES,
    _keys.RATIO_DIFFERENCES,
    *_keys.ERROR_FIELDS,
    *_keys.CHECK_FIELDS,
    *_keys.CATEGORY_FIELDS,
    _keys.AT_BOUND,
)


def clear(fields: tuple[_keys.Field, ...], adata: AnnData, key: str, basis: str = "") -> None:
    """Remove fields, if they exist."""
    for field in fields:
        field.drop(adata, key, basis)


def clear_fit(adata: AnnData, key: str) -> None:
    """Remove all results of an earlier fit, also those that a new fit might not overwrite."""
    clear(_OF_FIT, adata, key)
    _clear_reliability(adata, key)
    _clear_run(adata, key)
    for basis in _keys.PARAMS.read(adata, key, default={}).get("directions", {}):
        clear_direction(adata, key, basis)
    clear_graph(adata, key)


def clear_direction(adata: AnnData, key: str, basis: str) -> None:
    """Remove the directions on an embedding, and the verdicts that were computed from them."""
    clear(_keys.DIRECTION_FIELDS, adata, key, basis)
    params = _keys.PARAMS.read(adata, key, default={})
    if params.get("reliability", {}).get("basis") == basis:
        _clear_reliability(adata, key)


def clear_graph(adata: AnnData, key: str) -> None:
    """Remove an earlier graph, and its transitions and arrows with their agreement."""
    clear(_keys.GRAPH_FIELDS, adata, key)
    made = _keys.PARAMS.read(adata, key, default={})
    for slot, what in (("obsp", "transitions"), ("obs", "walks")):
        for name in made.get(what, {}):
            if name in getattr(adata, slot):
                writable(adata)
                del getattr(adata, slot)[name]
    if "cluster_graph" in made:
        _keys.PAGA.drop(adata)
    # this includes arrows that another tool wrote under the same name
    drawn = _keys.PARAMS.read(adata, key, default={}).get("embeddings", [])
    for basis in {*all_bases(adata), *map(str, drawn)}:
        clear(_keys.ARROW_FIELDS, adata, key, basis)


def _clear_reliability(adata: AnnData, key: str) -> None:
    """Remove verdicts."""
    clear(_keys.RELIABILITY_FIELDS, adata, key)
    params = dict(_keys.PARAMS.read(adata, key, default={}))
    kept = {name: params[name] for name in params if name not in {"reliability", "sensitivity"}}
    if len(kept) < len(params):
        _keys.PARAMS.write(adata, kept, key)


def _clear_run(adata: AnnData, key: str) -> None:
    """Remove the record of a run whose fit was replaced, except its choice of genes."""
    run = _keys.RUN.read(adata, key, default={})
    kept = {name: x for name, x in run.items() if name.startswith("min_") or name == "retain"}
    _keys.RUN.drop(adata, key)
    if kept:
        _keys.RUN.write(adata, kept, key)
    genes = _keys.ALL_GENES.read(adata, key, default=None)
    if genes is not None:
        of_fit = [_keys.VELOCITY_GENES.of(key), _keys.REASON.of(key)]
        _keys.ALL_GENES.write(adata, genes.drop(columns=of_fit, errors="ignore"), key)
