"""AnnData files, whose layers of counts may have any names."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._ambiguous import assigned_to
from steadyvelo._adata._checks import check_sparse
from steadyvelo._arguments import public
from steadyvelo._log import say

from ._broken import refusing
from ._count_table import Ambiguous, record_import
from ._files import replacing
from ._hdf5 import opened_hdf5
from ._hdf5_output import created_hdf5
from ._layers import TOTALS, counts_of_kinds, write_totals
from ._molecule_sums import chosen_kinds
from ._tables import table_folder, table_group
from ._text import check_folder, checked_names
from ._zarr_store import check_store

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["load_h5ad", "load_zarr", "read_h5ad", "read_zarr", "write_h5ad", "write_into"]

# names by which programs divide molecules into more than two kinds
_KINDS_OF_LAYERS = ("exon", "intron", "spanning", "uu", "ul", "su", "sl")


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
        Names of the layers, or ``"X"``. None means ``spliced`` and ``unspliced``, or ``mature`` and
        ``nascent``. Names joined by + or − are added or subtracted: ``"intron+spanning"``.
    ambiguous
        What to do with a layer ``ambiguous``: ``"drop"`` it, ``"keep"`` it, or keep it and add it
        to ``"spliced"`` or to ``"unspliced"``. ``"default"`` adds it to spliced if the layers are
        named mature and nascent (kb-python), and keeps it otherwise.

    Returns
    -------
    The content of the file, with the two layers named ``spliced`` and ``unspliced``, in CSR int32
    if their values are whole numbers. A file without embeddings is taken as not analysed: totals
    over its genes are written to ``obs``. X is not changed, except in a file of kb-python, where it
    becomes spliced. Of an h5mu file, the modality with the layers is read.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is truncated, is not an AnnData file, or lacks the layers.

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
        See :func:`read_h5ad`.

    Returns
    -------
    An AnnData as from :func:`read_h5ad`.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If the folder is not a zarr store of AnnData, or lacks the layers.

    Examples
    --------
    >>> read_zarr("absent.zarr")
    Traceback (most recent call last):
    FileNotFoundError: there is no folder absent.zarr.
    """
    return _with_layers(load_zarr(path), Path(path), spliced, unspliced, ambiguous)


@public
def write_h5ad(adata: AnnData, path: str | os.PathLike[str]) -> None:
    """Write an AnnData to a file, which is never incomplete.

    Parameters
    ----------
    adata
        The data to write.
    path
        The file. An existing file is replaced when the new one is complete.

    Raises
    ------
    FileNotFoundError
        If the folder of the file does not exist.
    PermissionError
        If the folder is not writable.
    OSError
        If there is no room on the disk.
    TypeError
        If something cannot be stored in a file, such as a column of texts and numbers.

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
        write_into(adata, temporary)


def write_into(adata: AnnData, path: Path) -> None:
    """Write an AnnData to a new file."""
    # as anndata's own function for files does
    adata.strings_to_categoricals()
    if adata.raw is not None:
        adata.strings_to_categoricals(adata.raw.var)
    with created_hdf5(path, adata.__sizeof__()) as file:
        try:
            anndata.io.write_elem(file, "/", adata)
        except MemoryError:
            raise
        except Exception as error:
            # anndata notes where; the usual cause is a column of texts and other values
            notes = " ".join(getattr(error, "__notes__", []))
            where = " ".join(re.findall(r"key '.*?'|to /\S+", notes))
            msg = (
                f"the data cannot be written to a file ({where}): {error}. Convert what is there "
                "to texts or numbers, for example by .astype(str), or delete it."
            )
            raise TypeError(msg) from error


def load_h5ad(path: str | os.PathLike[str]) -> AnnData:
    """Read an h5ad file without changes; refuse one that is truncated or not an AnnData.

    Of an h5mu file, one modality is read.
    """
    source = Path(path)
    with opened_hdf5(source, "an h5ad", part=partial(table_group, source)) as group:
        table = None if group.name == "/" else anndata.io.read_elem(group)
    with refusing(source, "cannot be read as AnnData:"):
        return _checked(anndata.read_h5ad(source) if table is None else table, source)


def load_zarr(path: str | os.PathLike[str]) -> AnnData:
    """Read a zarr store without changes; of SpatialData, its table."""
    source = Path(path)
    check_folder(source)
    with refusing(source, "cannot be read as a zarr store of AnnData:"):
        part = table_folder(source)
        check_store(source, part)
        return _checked(anndata.read_zarr(source / part), source)


def _checked(adata: AnnData, source: Path) -> AnnData:
    """Refuse sparse matrices whose indices do not fit their shapes, which compiled code trusts."""
    raw = {} if adata.raw is None else {"raw/X": adata.raw.X}
    slots = {name: getattr(adata, name) for name in ("layers", "obsm", "varm", "obsp", "varp")}
    named = {f"{slot}/{name}": x for slot, items in slots.items() for name, x in items.items()}
    for name, matrix in {"X": adata.X, **raw, **named}.items():
        if sp.issparse(matrix) and matrix.format in ("csr", "csc"):
            check_sparse(matrix, f"{source}: {name}")
            for part in ("indptr", "indices"):
                # scipy's compiled code has these two types
                if getattr(matrix, part).dtype not in (np.int32, np.int64):
                    setattr(matrix, part, getattr(matrix, part).astype(np.int64))
    return adata


def _with_layers(
    adata: AnnData, source: Path, spliced: str | None, unspliced: str | None, ambiguous: Ambiguous
) -> AnnData:
    """Give the two layers their standard names and formats."""
    with refusing(source, "cannot be read:"):
        return _standard(adata, source, spliced, unspliced, ambiguous)


def _standard(
    adata: AnnData, source: Path, spliced: str | None, unspliced: str | None, ambiguous: Ambiguous
) -> AnnData:
    there = [name for name in adata.layers if name is not None]
    kinds = chosen_kinds([*there, *([] if adata.X is None else ["X"])], source, spliced, unspliced)
    _check_names(adata, source)
    choice = ("spliced" if kinds.kb else "keep") if ambiguous == "default" else ambiguous

    def load(name: str) -> Any:
        return adata.X if name == "X" else adata.layers[name]

    layers = {"spliced": kinds.spliced, "unspliced": kinds.unspliced}
    layers = {name: kind.read(load, source) for name, kind in layers.items()}
    both = _keys.AMBIGUOUS.read(adata, default=None)
    before = assigned_to(adata)
    if before in TOTALS and choice in TOTALS:
        msg = (
            f"the ambiguous molecules of {source} are counted as {before} already "
            f"(uns['import']); leave ambiguous={choice!r} out."
        )
        raise ValueError(msg)
    layers = counts_of_kinds(layers, both, choice, str(source))
    for name in {*kinds.names, _keys.AMBIGUOUS.of()} & set(there):
        del adata.layers[name]
    for name, matrix in layers.items():
        adata.layers[name] = matrix
    if kinds.kb:
        adata.X = layers["spliced"].copy()
    # without embeddings it was not analysed: genes are those of the counting program
    if kinds.kb or len(adata.obsm) == 0:
        write_totals(adata)
    left = [name for name in there if name in _KINDS_OF_LAYERS and name not in kinds.names]
    for name in left:
        say(
            f"layer {name!r} with {adata.layers[name].sum():,.0f} molecules is counted neither as "
            "spliced nor as unspliced; join layers by + to count it (--unspliced intron+spanning)"
        )
    tool = "kb-python nac" if kinds.kb else "AnnData"
    read_from = [str(kinds.spliced), str(kinds.unspliced)]
    record_import(adata, tool, source, choice, both, layers=read_from)
    return adata


def _check_names(adata: AnnData, source: Path) -> None:
    """Refuse repeated cells and an empty table; make names of genes unique."""
    if adata.n_obs == 0 or adata.n_vars == 0:
        msg = f"{source} has {adata.n_obs} cells and {adata.n_vars} genes, so there are no counts."
        raise ValueError(msg)
    checked_names(list(adata.obs_names), "cells", source)
    if not adata.var_names.is_unique:
        adata.var[_keys.GENE_NAME_COLUMNS[0]] = adata.var_names.to_numpy()
        adata.var_names_make_unique()
