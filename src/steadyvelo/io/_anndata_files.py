"""AnnData files whose layers may have any names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np

from steadyvelo import _keys
from steadyvelo._checks import listed, one_of
from steadyvelo._version import __version__

from ._count_table import AMBIGUOUS_CHOICES, Ambiguous, as_counts
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
    values are whole numbers, CSR int32. X stays as it is, but in kb-python's files becomes spliced.

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
    there = [name for name in adata.layers if name is not None]
    pairs = _USUAL
    if (spliced, unspliced) != (None, None):
        pairs = ((spliced or "spliced", unspliced or "unspliced"),)
    pair = next((p for p in pairs if set(p) <= set(there)), None)
    if pair is None:
        msg = f"{source} has layers {listed(there)}; give two of them as spliced= and unspliced=."
        raise ValueError(msg)
    if adata.n_obs == 0 or adata.n_vars == 0:
        msg = f"{source} holds {adata.n_obs} cells and {adata.n_vars} genes; nothing to read."
        raise ValueError(msg)
    kb = pair == ("mature", "nascent")
    choice = ("spliced" if kb else "keep") if ambiguous == "default" else ambiguous
    layers = {
        name: adata.layers[old] for name, old in zip(("spliced", "unspliced"), pair, strict=True)
    }
    n_ambiguous = 0
    if "ambiguous" in there:
        both = adata.layers[_keys.AMBIGUOUS.of()]
        n_ambiguous = int(both.sum())
        if choice in layers:
            layers[choice] = layers[choice] + both
    layers = {
        name: as_counts(matrix, f"{source}: layer {name!r}") for name, matrix in layers.items()
    }
    for name in {*pair, "ambiguous"} & set(there):
        if name != "ambiguous" or choice != "keep":
            del adata.layers[name]
    for name, matrix in layers.items():
        adata.layers[name] = matrix
    if kb or adata.X is None:
        adata.X = layers["spliced"].copy()
    for kind, field in (("spliced", _keys.SPLICED_TOTAL), ("unspliced", _keys.UNSPLICED_TOTAL)):
        if kb and field.of() not in adata.obs:
            total = layers[kind].sum(axis=1, dtype=np.float64)
            adata.obs[field.of()] = np.asarray(total).ravel()
    adata.uns[_keys.IMPORT.of()] = {
        "tool": "kb-python nac" if kb else "AnnData",
        "source": source.name,
        "layers": list(pair),
        "ambiguous": choice if "ambiguous" in there else "none",
        "ambiguous_molecules": n_ambiguous,
        "version": __version__,
    }
    return adata
