"""Records of what a result was computed from, by which later steps detect changes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo._version import __version__
from steadyvelo.engine import count_threads, weighted_column_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = [
    "SCHEMA",
    "check_cells",
    "check_schema",
    "gene_checksums",
    "hash_cells",
    "hash_pattern",
    "hash_values",
    "stamp",
]

# version of the format of stored results; raised whenever a name, shape or meaning changes
SCHEMA = 1


def stamp(adata: AnnData, cells_hash: str | None = None) -> dict[str, Any]:
    """Return the version and a hash of the cells, which are stored with a result."""
    hashed = cells_hash or hash_cells(adata)
    made = {"schema": SCHEMA, "version": __version__}
    return {**made, "n_cells": adata.n_obs, "cells_hash": hashed}


def check_schema(made: Mapping[str, Any], what: str, rerun: str | Callable[[], str]) -> None:
    """Refuse a result that another version of this package stored in another format.

    `rerun` computes `what` again, or returns what does.
    """
    found = made.get("schema", "unknown")
    if str(found) != str(SCHEMA):
        msg = (
            f"{what} was stored by steadyvelo {made.get('version', 'of an unknown version')} with "
            f"schema version {found}; this is steadyvelo {__version__}, which reads schema version "
            f"{SCHEMA}. Rerun {rerun() if callable(rerun) else rerun}."
        )
        raise ValueError(msg)


def hash_cells(adata: AnnData) -> str:
    """Return a short hash of the names of cells in their order."""
    return _hash("\n".join(map(str, adata.obs_names)).encode())


def hash_pattern(graph: sp.spmatrix | sp.sparray) -> str:
    """Return a short hash of a graph's size and stored edges."""
    csr = sp.csr_array(graph)
    if not csr.has_sorted_indices:
        csr = csr.sorted_indices()
    return _hash(csr.indptr.astype(np.int64).tobytes(), csr.indices.astype(np.int32).tobytes())


def hash_values(*columns: Any) -> str:
    """Return a short hash of columns of numbers."""
    return _hash(*(np.asarray(column, dtype=np.float64).tobytes() for column in columns))


def gene_checksums(x: Any) -> NDArray[np.float64]:
    """Return a weighted sum of a layer over cells, for each gene.

    The weights are fixed, so that counts that are moved between cells are detected. Unlike a hash
    of the layer, the sums can be subset with the genes. One value per cell is a layer of one gene.
    """
    x = x[:, None] if x.ndim == 1 else x
    weights = np.random.default_rng(0).uniform(1.0, 2.0, x.shape[0])
    return weighted_column_sums(x, weights, count_threads())


def check_cells(
    adata: AnnData,
    made: Mapping[str, Any],
    what: str,
    rerun: Callable[[], str],
    cells_hash: str | None = None,
) -> None:
    """Refuse to continue with a result that was computed on other cells.

    `what` was computed, and `rerun` says what computes it again; `cells_hash` is that of `adata`,
    if known.
    """
    check_schema(made, what, rerun)
    if str(made["cells_hash"]) != (cells_hash or hash_cells(adata)):
        n_cells = int(made["n_cells"])
        if n_cells == adata.n_obs:
            changed = f"{n_cells:,} cells, but their names or their order have changed since then"
        else:
            changed = f"{n_cells:,} cells, but adata now has {adata.n_obs:,} cells"
        msg = (
            f"{what} was computed on {changed}. Stored results can be plotted and read; to compute "
            f"new ones, rerun {rerun()}."
        )
        raise ValueError(msg)


def _hash(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
