"""AnnData files, whose layers may have any names when they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import h5py

from steadyvelo import _keys
from steadyvelo._arguments import public

from ._broken import check_hdf5, check_stored, refusing
from ._count_table import Ambiguous, record_import
from ._files import replacing
from ._layers import KB_LAYERS, TOTALS, counts_of_kinds, layer_names, write_totals
from ._text import check_folder, checked_names

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["load_h5ad", "read_h5ad", "read_zarr", "write_h5ad"]

# bytes up to which a data set may have been left empty
_SMALL = 64_000_000


@public
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


@public
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
    check_folder(source)
    # zarr and its codecs raise errors of many kinds
    with refusing(f"{source} cannot be read as a zarr store of AnnData:", Exception):
        adata = anndata.read_zarr(source)
    return _with_layers(adata, source, spliced, unspliced, ambiguous)


@public
def write_h5ad(adata: AnnData, path: str | os.PathLike[str]) -> None:
    """Write an AnnData to a file that is there whole or not at all.

    Parameters
    ----------
    adata
        What to write.
    path
        The file; one that exists is replaced when the new one is complete.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    PermissionError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile, steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=20, n_genes=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_h5ad(adata, f"{folder}/cells.h5ad")
    ...     load_h5ad(f"{folder}/cells.h5ad").shape
    (20, 10)
    """
    with replacing(path) as temporary:
        adata.write_h5ad(temporary)


def load_h5ad(path: str | os.PathLike[str]) -> AnnData:
    """Read an h5ad file as it is; refuse one that is truncated, or no AnnData."""
    source = Path(path)
    check_hdf5(source, "an h5ad")

    def check(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.size is not None:
            check_stored(source, name, item, may_be_empty=_SMALL)

    said = f"{source} cannot be opened; it may be truncated:"
    with refusing(said, OSError), h5py.File(source, "r") as file:
        missing = {"obs", "var"} - set(file)
        file.visititems(check)
    if missing:
        msg = f"{source} is an HDF5 file without {' and '.join(sorted(missing))}: no AnnData."
        raise ValueError(msg)
    # a corrupt file makes anndata fail in many ways
    with refusing(
        f"{source} cannot be read as AnnData; it may be truncated or corrupt:", Exception
    ):
        return anndata.read_h5ad(source)


def _with_layers(
    adata: AnnData, source: Path, spliced: str | None, unspliced: str | None, ambiguous: Ambiguous
) -> AnnData:
    """Give the two layers their names and formats."""
    there = [name for name in adata.layers if name is not None]
    pair = layer_names(there, source, spliced, unspliced)
    _check_names(adata, source)
    kb = pair == KB_LAYERS
    choice = ("spliced" if kb else "keep") if ambiguous == "default" else ambiguous
    layers = dict(zip(TOTALS, (adata.layers[name] for name in pair), strict=True))
    both = _keys.AMBIGUOUS.read(adata) if _keys.AMBIGUOUS.of() in there else None
    layers = counts_of_kinds(layers, both, choice, str(source))
    for name in {*pair, _keys.AMBIGUOUS.of()} & set(there):
        del adata.layers[name]
    for name, matrix in layers.items():
        adata.layers[name] = matrix
    # a file without embeddings was not analysed: its X and its genes are the counter's
    fresh = kb or len(adata.obsm) == 0
    if fresh or adata.X is None:
        adata.X = layers["spliced"].copy()
    if fresh:
        write_totals(adata)
    tool = "kb-python nac" if kb else "AnnData"
    record_import(adata, tool, source, choice, both, layers=list(pair))
    return adata


def _check_names(adata: AnnData, source: Path) -> None:
    """Refuse doubled cells and an empty table; tell doubled genes apart."""
    if adata.n_obs == 0 or adata.n_vars == 0:
        msg = f"{source} holds {adata.n_obs} cells and {adata.n_vars} genes; nothing to read."
        raise ValueError(msg)
    checked_names(list(adata.obs_names), "cells", source)
    if not adata.var_names.is_unique:
        adata.var[_keys.GENE_NAME_COLUMNS[0]] = adata.var_names.to_numpy()
        adata.var_names_make_unique()
