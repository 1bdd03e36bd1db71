"""Loom files (format 3.0.0), written with h5py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import check_key
from steadyvelo._adata._fit import Fit
from steadyvelo.engine import count_threads, genes_per_block
from steadyvelo.engine._moment_source import by_gene
from steadyvelo.io._hdf5_output import created_hdf5

from ._handover import genes_left_out, has_dense_layers, named

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData

    from steadyvelo.engine import CategoryLines, Lines, MomentSource

__all__ = ["write_loom"]

_FORMAT = "3.0.0"
_GROUPS = ("attrs", "layers", "row_attrs", "col_attrs", "row_graphs", "col_graphs")
# attributes with the names of genes and cells, and with gene ids
_GENE, _CELL, _ACCESSION = "Gene", "CellID", "Accession"
_GENE_IDS = ("gene_id", "gene_ids")
# genes × cells that are compressed together, and bytes of genes that are made dense at a time
_CHUNK = (64, 1024)
_BYTES = 64_000_000
_TEXT = h5py.string_dtype("utf-8")


def write_loom(adata: AnnData, path: Path, velocity_key: str, n_threads: int | None) -> list[str]:
    """Write a result to a new loom file; return what was changed or left out, and why."""
    fit = Fit.read(adata, velocity_key)
    layers, notes = _layers(fit)
    smoothed = None
    if not has_dense_layers(fit):
        smoothed = fit.with_lines(np.arange(adata.n_vars))
        layers = {name: x for name, x in layers.items() if name not in _smoothed_names(fit)}
    with created_hdf5(path, adata.__sizeof__()) as file:
        for name in _GROUPS:
            file.create_group(name)
        file["attrs"]["LOOM_SPEC_VERSION"] = _FORMAT
        params = dict(_keys.PARAMS.read(adata, velocity_key))
        file["attrs"][_keys.PARAMS.of(velocity_key)] = json.dumps(params, default=_plain)
        x = layers[_keys.SPLICED.of()] if adata.X is None else adata.X
        _write_matrix(file, "matrix", x)
        for name, layer in layers.items():
            _write_matrix(file, f"layers/{_without_slash(name)}", layer)
        if smoothed is not None:
            _write_smoothed(file, fit, *smoothed, count_threads(n_threads))
        rows = {**_columns(adata.var), **_arrays(adata.varm)}
        ids = next((rows[name] for name in _GENE_IDS if name in rows), None)
        of_ids = {_ACCESSION: ids} if ids is not None and _ACCESSION not in rows else {}
        _write_attributes(file["row_attrs"], {**rows, **of_ids, _GENE: _texts(adata.var_names)})
        columns = {**_columns(adata.obs), **_arrays(adata.obsm)}
        _write_attributes(file["col_attrs"], {**columns, _CELL: _texts(adata.obs_names)})
        _write_graphs(file["row_graphs"], adata.varp)
        _write_graphs(file["col_graphs"], adata.obsp)
    notes += _left_out(adata, velocity_key)
    return notes + genes_left_out(adata, velocity_key)


def _layers(fit: Fit) -> tuple[dict[str, Any], list[str]]:
    """Return layers by their names in the file, and what is said about them.

    velocyto needs a layer of ambiguous molecules; without one it is empty.
    """
    adata, remedy = fit.adata, "restore it, because the fit used it."
    used = {
        _keys.SPLICED.of(): fit.options.spliced,
        _keys.UNSPLICED.of(): fit.options.unspliced,
    }
    layers = {name: check_key(adata, "layers", layer, remedy) for name, layer in used.items()}
    notes = [
        f"layer {layer!r}, which the fit used, is named {name!r}"
        for name, layer in used.items()
        if name != layer
    ]
    # anndata 0.13 stores X as the layer None
    others = [name for name in adata.layers if name is not None and name not in used.values()]
    replaced = [name for name in others if name in used]
    layers |= {name: adata.layers[name] for name in others if name not in used}
    if replaced:
        notes.append(
            f"left out: {named(replaced)} in layers, because the fit used other counts, which "
            "have these names in the file"
        )
    if _keys.AMBIGUOUS.of() not in layers:
        layers[_keys.AMBIGUOUS.of()] = sp.csr_matrix(adata.shape, dtype=np.int32)
        notes.append(
            f"layer {_keys.AMBIGUOUS.of()!r} is empty, because the result has no ambiguous "
            "molecules and velocyto does not read a file without this layer"
        )
    return layers, notes


def _data_set(file: h5py.File, name: str, shape: tuple[int, int], dtype: Any) -> h5py.Dataset:
    """Return a new data set of genes × cells, to which cells can be added."""
    chunk = tuple(min(part, length) for part, length in zip(_CHUNK, shape, strict=True))
    options = {"chunks": chunk, "maxshape": (shape[0], None)}
    return file.create_dataset(
        name, shape, dtype, compression="gzip", compression_opts=2, **options
    )


def _write_matrix(file: h5py.File, name: str, matrix: Any) -> None:
    """Write cells × genes as genes × cells, some genes at a time."""
    n_cells, n_genes = matrix.shape
    dtype = np.dtype(np.uint8 if matrix.dtype == bool else matrix.dtype)
    target = _data_set(file, name, (n_genes, n_cells), dtype)
    columns = sp.csc_matrix(matrix) if sp.issparse(matrix) else np.asarray(matrix)
    if sp.issparse(matrix) and columns.nnz == 0:
        # what is never written is zero
        return
    fitting = _BYTES // max(1, n_cells * dtype.itemsize)
    step = max(1, fitting // _CHUNK[0]) * _CHUNK[0]
    for start in range(0, n_genes, step):
        part = columns[:, start : start + step]
        dense = part.toarray() if sp.issparse(part) else part
        target[start : start + step] = np.ascontiguousarray(dense.T, dtype=dtype)


def _smoothed_names(fit: Fit) -> tuple[str, str, str]:
    return _keys.MS.of(), _keys.MU.of(), _keys.VELOCITY.of(fit.key)


def _write_smoothed(
    file: h5py.File,
    fit: Fit,
    source: MomentSource,
    lines: Lines | CategoryLines,
    n_threads: int,
) -> None:
    """Compute Ms, Mu and velocities block by block, and write them."""
    shape = fit.adata.shape[::-1]
    paths = [f"layers/{_without_slash(name)}" for name in _smoothed_names(fit)]
    targets = [_data_set(file, path, shape, np.float32) for path in paths]
    for block in source.blocks(genes_per_block(fit.adata.n_obs), n_threads):
        velocity = lines.of(block.genes).velocity(block, n_threads)
        rows = slice(int(block.genes[0]), int(block.genes[-1]) + 1)
        for target, values in zip(targets, (block.spliced, block.unspliced, velocity), strict=True):
            target[rows] = by_gene(values, slice(None), block.order)


def _columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return columns as loom files have them: numbers, or text that is empty where missing."""
    return {str(name): _attribute(table[name]) for name in table}


def _attribute(column: pd.Series) -> np.ndarray:
    kind = column.dtype
    if pd.api.types.is_bool_dtype(kind) and not column.isna().any():
        return column.to_numpy(dtype=np.uint8)
    if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_complex_dtype(kind):
        return _texts(column)
    if pd.api.types.is_integer_dtype(kind) and not column.isna().any():
        return column.to_numpy(dtype=np.int64)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _texts(values: pd.Series | pd.Index) -> np.ndarray:
    """Return values as text."""
    missing = np.asarray(pd.isna(values))
    return np.where(missing, "", np.asarray(values.astype(str), dtype=object))


def _arrays(mapping: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the tables of numbers of a slot; others are no attributes of a loom file."""
    tables = {name: np.asarray(value) for name, value in mapping.items() if _is_table(value)}
    return {name: x.astype(np.uint8) if x.dtype == bool else x for name, x in tables.items()}


def _is_table(value: Any) -> bool:
    if sp.issparse(value):
        return False
    values = np.asarray(value)
    return values.ndim == 2 and values.dtype.kind in "biuf"


def _write_attributes(group: h5py.Group, attributes: Mapping[str, np.ndarray]) -> None:
    for name, values in attributes.items():
        dtype = _TEXT if values.dtype == object else values.dtype
        group.create_dataset(_without_slash(name), data=values, dtype=dtype)


def _write_graphs(group: h5py.Group, graphs: Mapping[str, Any]) -> None:
    """Write graphs as lists of edges with weights."""
    for name, graph in graphs.items():
        edges = sp.coo_matrix(graph)
        weights = edges.data if edges.data.dtype.kind == "f" else edges.data.astype(np.float32)
        made = group.create_group(_without_slash(name))
        for part, values in (("a", edges.row), ("b", edges.col), ("w", weights)):
            made.create_dataset(part, data=values, compression="gzip", compression_opts=2)


def _without_slash(name: str) -> str:
    """Return a name without slashes, which would make a folder in the file."""
    return name.replace("/", "_")


def _left_out(adata: AnnData, key: str) -> list[str]:
    """Say what a loom file has no place for, and which names were changed."""
    arrays = [
        name for slot in (adata.obsm, adata.varm) for name, x in slot.items() if not _is_table(x)
    ]
    tables = [name for name in adata.uns if name != _keys.PARAMS.of(key)]
    raw = ["raw"] if adata.raw is not None else []
    taken = [
        f"{slot}[{name!r}]"
        for slot, name in (("var", _GENE), ("obs", _CELL))
        if name in getattr(adata, slot)
    ]
    slashed = [
        name
        for part in (adata.layers, adata.obs, adata.var, adata.obsm, adata.varm, adata.obsp)
        for name in part
        if name is not None and "/" in str(name)
    ]
    parts = {
        "arrays with more than two dimensions, and tables with text": arrays,
        "tables and settings in uns": tables,
        "the matrix of other genes": raw,
        "columns with a name that loom files give to the names of genes and cells": taken,
    }
    notes = [
        f"left out, because a loom file has no place for them: {what} ({named(names)})"
        for what, names in parts.items()
        if names
    ]
    if slashed:
        notes.append(f"slashes in names are underscores in the file: {named(slashed)}")
    return notes


def _plain(value: Any) -> Any:
    """Return a value of parameters as JSON has it."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
