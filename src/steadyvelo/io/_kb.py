"""Folders of matrices from kb-python's nac and lamanno workflows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo._arguments import public

from ._count_table import Ambiguous, CountTable
from ._layers import placed
from ._matrix_market import read_layer
from ._text import check_folder, find_file, has_file, read_barcodes, read_lines, read_names

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["read_kb"]

_PREFIX = "cells_x_genes."


@public
def read_kb(path: str | os.PathLike[str], *, ambiguous: Ambiguous = "default") -> AnnData:
    """Read the matrices of `kb count --workflow nac` (or lamanno).

    Parameters
    ----------
    path
        The folder of the matrices (`counts_unfiltered` or `counts_filtered`), or its parent folder.
        :func:`read_h5ad` and :func:`read_loom` read the h5ad and loom files of kb-python.
    ambiguous
        See :func:`read`. ``"default"`` counts ambiguous molecules as spliced, because kb-python's
        mature molecules are only those that span a junction, and molecules within a single exon are
        ambiguous.

    Returns
    -------
    An AnnData as from :func:`read_starsolo`.

    Raises
    ------
    FileNotFoundError, ValueError
        See :func:`read`.

    References
    ----------
    Melsted et al. (2021), https://doi.org/10.1038/s41587-021-00870-2.

    Examples
    --------
    >>> read_kb("absent")
    Traceback (most recent call last):
    FileNotFoundError: there is no folder absent.
    """
    folder = kb_folder(Path(path))
    if folder is None:
        msg = f"{path} contains no matrices of kb-python's nac or lamanno workflow."
        raise FileNotFoundError(msg)
    table = _nac(folder) if _is_nac(folder) else _lamanno(folder)
    return table.to_anndata(ambiguous)


def kb_folder(path: Path) -> Path | None:
    """Return the folder that contains kb-python's matrices, or None."""
    check_folder(path)
    folders = (path, path / "counts_filtered", path / "counts_unfiltered")
    return next((folder for folder in folders if _is_nac(folder) or _is_lamanno(folder)), None)


def _is_nac(folder: Path) -> bool:
    return has_file(folder, f"{_PREFIX}mature.mtx") or has_file(folder, f"{_PREFIX}nascent.mtx")


def _is_lamanno(folder: Path) -> bool:
    return has_file(folder, "spliced.mtx") and has_file(folder, "spliced.barcodes.txt")


def _nac(folder: Path) -> CountTable:
    ids = read_names(folder, f"{_PREFIX}genes.txt", what="list of genes")
    names = _gene_names(folder, f"{_PREFIX}genes.names.txt", ids)
    cells = read_barcodes(folder, f"{_PREFIX}barcodes.txt")
    shape = (len(cells), len(ids))
    return CountTable(
        "kb-python nac",
        folder,
        *(
            read_layer(folder, kind, transpose=False, shape=shape, prefix=_PREFIX)
            for kind in ("mature", "nascent", "ambiguous")
        ),
        cells=cells,
        gene_ids=ids,
        gene_names=names,
        ambiguous_default="spliced",
    )


def _lamanno(folder: Path) -> CountTable:
    """Read matrices with separate lists of barcodes; a cell may be missing in one list."""
    kinds = ("spliced", "unspliced")
    genes, others = (
        read_names(folder, f"{kind}.genes.txt", what="list of genes") for kind in kinds
    )
    if genes != others:
        msg = f"{folder}: spliced.genes.txt and unspliced.genes.txt differ; use files of one run."
        raise ValueError(msg)
    cells = {kind: read_barcodes(folder, f"{kind}.barcodes.txt") for kind in kinds}
    n_shared = len(set(cells["spliced"]) & set(cells["unspliced"]))
    if 2 * n_shared < min(map(len, cells.values())):
        msg = (
            f"{folder}: of {len(cells['spliced']):,} barcodes with spliced counts and "
            f"{len(cells['unspliced']):,} with unspliced counts, only {n_shared:,} are in both "
            "files; use files of the same sample."
        )
        raise ValueError(msg)
    union = list(dict.fromkeys(cells["spliced"] + cells["unspliced"]))
    layers = []
    for kind, names in cells.items():
        matrix = read_layer(folder, kind, transpose=False, shape=(len(names), len(genes)))
        layers.append(placed(matrix, pd.Index(names).get_indexer(union), np.arange(len(genes))))
    return CountTable(
        "kb-python lamanno",
        folder,
        *layers,
        ambiguous=None,
        cells=union,
        gene_ids=genes,
        gene_names=_gene_names(folder, "spliced.genes.names.txt", genes),
    )


def _gene_names(folder: Path, name: str, ids: list[str]) -> list[str] | None:
    """Return names of genes, with the id for genes without a name; None if there is no file."""
    if not has_file(folder, name):
        return None
    path = find_file(folder, name, what="list of names")
    names = read_lines(path, may_be_empty=True)
    if len(names) != len(ids):
        msg = (
            f"{path} has {len(names):,} names for {len(ids):,} genes; one of the files is "
            "truncated."
        )
        raise ValueError(msg)
    return [name or gene for name, gene in zip(names, ids, strict=True)]
