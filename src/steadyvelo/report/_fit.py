"""How the model was fitted: data, parameters, versions and run times."""

from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._version import __version__

from ._text import number

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Fit", "section"]

_PACKAGES = ("numpy", "scipy", "numba", "pandas", "anndata", "faiss-cpu", "scanpy", "umap-learn")
# parameters that other entries or other sections show already
_LEFT_OUT = {"embeddings", "version", "n_cells", "n_graph_genes", "terminal_states", "pseudotime"}


@dataclass(frozen=True)
class Fit:
    """A section of the page; every table is a list of names and values."""

    # numbers of cells and genes, and the reasons why some were not used
    data: list[tuple[str, str]]
    parameters: list[tuple[str, str]]
    # run time of each step; empty where it was not measured
    seconds: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    # the command that made the result, or the empty string
    command: str


def section(adata: AnnData, key: str) -> Fit:
    """Read it from what the steps stored in the AnnData."""
    params = dict(_keys.PARAMS.read(adata, key))
    run = dict(_keys.RUN.read(adata, key, default={}))
    spent = {step: float(value) for step, value in dict(run.get("seconds", {})).items()}
    seconds = [(step, f"{value:.1f}") for step, value in spent.items()]
    if seconds:
        seconds.append(("total", f"{sum(spent.values()):.1f}"))
    parameters = [
        (name, _value(value))
        for name, value in sorted(params.items())
        if not name.endswith("_hash") and name not in _LEFT_OUT
    ]
    asked = [name for name in run if name.startswith("min_") or name == "retain"]
    parameters += [(name, _value(run[name])) for name in sorted(asked)]
    neighbors = str(params.get("neighbors_key") or _keys.NEIGHBORS.of())
    for prefix, name in (("size factors", _keys.SIZE_PARAMS.of()), ("neighbours", neighbors)):
        entry = dict(adata.uns.get(name, {}))
        entry = dict(entry.get("params", entry))
        parameters += [
            (f"{prefix}: {name}", _value(value))
            for name, value in sorted(entry.items())
            if not name.endswith("_hash") and name not in {"version", "n_cells"}
        ]
    versions = [
        ("steadyvelo (fit)", str(params.get("version", "unknown"))),
        ("steadyvelo (this page)", __version__),
        ("Python (this page)", platform.python_version()),
    ]
    for name in _PACKAGES:
        # conda gives some packages another name
        with suppress(PackageNotFoundError):
            versions.append((f"{name} (this page)", version(name)))
    return Fit(_data(adata, key), parameters, seconds, versions, str(run.get("command", "")))


def _data(adata: AnnData, key: str) -> list[tuple[str, str]]:
    rows = [("cells", f"{adata.n_obs:,}")]
    if _keys.CELLS_USED.is_in(adata):
        out = ~_keys.CELLS_USED.values(adata)
        rows += _reasons(_keys.CELLS_REASON.read(adata)[out], "cells not used")
    genes = _keys.ALL_GENES.read(adata, key, default=None)
    if genes is not None:
        used = genes[_keys.GENES_USED.of()].to_numpy(dtype=bool)
        rows.append(("genes used", f"{used.sum():,} of {len(genes):,}"))
        rows += _reasons(genes.loc[~used, _keys.GENES_REASON.of()], "genes not used")
    elif _keys.GENES_USED.is_in(adata):
        used = _keys.GENES_USED.values(adata)
        rows.append(("genes used", f"{used.sum():,} of {adata.n_vars:,}"))
    chosen = _keys.VELOCITY_GENES.values(adata, key)
    rows.append(("velocity genes", f"{chosen.sum():,} of {adata.n_vars:,}"))
    return rows + _reasons(_keys.REASON.read(adata, key)[~chosen], "not a velocity gene")


def _reasons(reasons: Any, what: str) -> list[tuple[str, str]]:
    counts = pd.Series(reasons).astype(str).value_counts()
    return [(f"{what}: {reason}", f"{n:,}") for reason, n in counts.items() if n > 0]


def _value(value: Any) -> str:
    """Return a parameter as text."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(entry)}" for name, entry in value.items())
    if isinstance(value, (list, tuple, np.ndarray)):
        return ", ".join(_value(entry) for entry in value)
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return "none" if np.isnan(value) else number(float(value))
    text = str(value)
    return {"": "none", "True": "yes", "False": "no"}.get(text, text)
