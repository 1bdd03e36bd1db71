"""AnnData files whose layers may have any names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import listed, one_of
from steadyvelo._version import __version__

from ._barcodes import checked_names
from ._count_table import AMBIGUOUS_CHOICES, Ambiguous, log_read, with_ambiguous
from ._h5ad import load_h5ad

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["read_h5ad", "read_zarr"]

_USUAL = (("spliced", "unspliced"), ("mature", "nascent"))


def read_h5ad(
    path: str | os.PathLike[str],
    *,
    spliced: str | None = None,
    unspliced: str | None = None,
    ambiguous: Ambiguous = "default",
) -> AnnData:
    """Read an h5ad file with spliced and unspliced counts in two layers.

    Parameters
    ----------
    path
        The file.
    spliced, unspliced
        Names of the layers; None means spliced and unspliced, or mature and nascent.
    ambiguous
        What becomes of a layer ``ambiguous``: ``"drop"``, ``"spliced"``, ``"unspliced"`` (added to
        that layer) or ``"keep"``. ``"default"`` means spliced where the layers are called mature
        and nascent (kb-python), and keep for other files.

    Returns
    -------
    What the file holds, the layers called ``spliced`` and ``unspliced`` and, where their
    values are whole numbers, CSR int32. In a file without embeddings, which no one has analysed,
    X becomes spliced and totals over its genes are written to ``obs``; else both stay as they are.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, not an AnnData file, or the layers are missing.

    Examples
    --------
    >>> read_h5ad("absent.h5ad")
    Traceback (most recent call last):
    FileNotFoundError: there is no file absent.h5ad.
    """
    return _with_layers(load_h5ad(path), Path(path), spliced, unspliced, ambiguous)


def read_zarr(
    path: str | os.PathLike[str],
    *,
    spliced: str | None = None,
    unspliced: str | None = None,
    ambiguous: Ambiguous = "default",
) -> AnnData:
    """Read a zarr store of AnnData with spliced and unspliced counts in two layers.

    Parameters
    ----------
    path
        The folder.
    spliced, unspliced, ambiguous
        As in :func:`read_h5ad`.

    Returns
    -------
    As :func:`read_h5ad`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it is not a zarr store of AnnData, or the layers are missing.

    Examples
    --------
    >>> read_zarr("absent.zarr")
    Traceback (most recent call last):
    FileNotFoundError: there is no folder absent.zarr.
    """
    source = Path(path)
    if not source.is_dir():
        msg = f"there is no folder {source}."
        raise FileNotFoundError(msg)
    try:
        adata = anndata.read_zarr(source)
    except Exception as error:  # zarr and its codecs raise errors of many kinds
        msg = f"{source} cannot be read as a zarr store of AnnData: {error}"
        raise ValueError(msg) from error
    return _with_layers(adata, source, spliced, unspliced, ambiguous)


def _with_layers(
    adata: AnnData,
    source: Path,
    spliced: str | None,
    unspliced: str | None,
    ambiguous: Ambiguous,
) -> AnnData:
    """Give the two layers their names and formats."""
    one_of("ambiguous", ambiguous, AMBIGUOUS_CHOICES)
    pair = _layer_names(adata, source, spliced, unspliced)
    _check_names(adata, source)
    there = [name for name in adata.layers if name is not None]
    kb = pair == ("mature", "nascent")
    choice = ("spliced" if kb else "keep") if ambiguous == "default" else ambiguous
    layers = {
        name: adata.layers[old] for name, old in zip(("spliced", "unspliced"), pair, strict=True)
    }
    has_ambiguous = _keys.AMBIGUOUS.of() in there
    if has_ambiguous:
        layers["ambiguous"] = adata.layers[_keys.AMBIGUOUS.of()]
    n_ambiguous = int(layers["ambiguous"].sum()) if has_ambiguous else 0
    layers = with_ambiguous(layers, choice, str(source))
    if choice == "drop":
        layers.pop("ambiguous", None)
    for name in {*pair, _keys.AMBIGUOUS.of()} & set(there):
        del adata.layers[name]
    for name, matrix in layers.items():
        adata.layers[name] = matrix
    # a file without embeddings was not analysed: its X and its genes are the counter's
    fresh = kb or len(adata.obsm) == 0
    if fresh or adata.X is None:
        adata.X = layers["spliced"].copy()
    for kind, field in (("spliced", _keys.SPLICED_TOTAL), ("unspliced", _keys.UNSPLICED_TOTAL)):
        if fresh and field.of() not in adata.obs:
            total = layers[kind].sum(axis=1, dtype=np.float64)
            adata.obs[field.of()] = np.asarray(total).ravel()
    # what a reader wrote when the counts left their counter is kept
    if _keys.IMPORT.of() not in adata.uns:
        adata.uns[_keys.IMPORT.of()] = {
            "tool": "kb-python nac" if kb else "AnnData",
            "source": source.name,
            "layers": list(pair),
            "ambiguous": choice if has_ambiguous else "none",
            "ambiguous_molecules": n_ambiguous,
            "version": __version__,
        }
    log_read(adata, "kb-python nac" if kb else "AnnData", choice, n_ambiguous)
    return adata


def _layer_names(
    adata: AnnData, source: Path, spliced: str | None, unspliced: str | None
) -> tuple[str, str]:
    """Return the names of the two layers; refuse where they are not clear."""
    there = [name for name in adata.layers if name is not None]
    if spliced is not None and spliced == unspliced:
        msg = f"spliced and unspliced are both {spliced!r}; they must be two layers."
        raise ValueError(msg)
    pairs = _USUAL
    if (spliced, unspliced) != (None, None):
        pairs = ((spliced or "spliced", unspliced or "unspliced"),)
    pair = next((p for p in pairs if set(p) <= set(there)), None)
    if pair is None:
        msg = f"{source} has layers {listed(there)}; give two of them as spliced= and unspliced=."
        raise ValueError(msg)
    return pair


def _check_names(adata: AnnData, source: Path) -> None:
    """Refuse doubled cells and an empty table; tell doubled genes apart."""
    if adata.n_obs == 0 or adata.n_vars == 0:
        msg = f"{source} holds {adata.n_obs} cells and {adata.n_vars} genes; nothing to read."
        raise ValueError(msg)
    checked_names(list(adata.obs_names), "cells", source)
    if not adata.var_names.is_unique:
        adata.var[_keys.GENE_NAME_COLUMNS[0]] = adata.var_names.to_numpy()
        adata.var_names_make_unique()
