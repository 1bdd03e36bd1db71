"""kb-python's nac and lamanno workflows: folders of matrices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ._barcodes import checked_names
from ._count_table import Ambiguous, CountTable
from ._matrix_market import read_matrix
from ._text import find_file, read_lines

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["read_kb"]

_PREFIX = "cells_x_genes."


def read_kb(path: str | os.PathLike[str], *, ambiguous: Ambiguous = "default") -> AnnData:
    """Read the matrices of `kb count --workflow nac` (or lamanno).

    Parameters
    ----------
    path
        The folder of the matrices (`counts_unfiltered`, `counts_filtered`), or the one that
        holds it. Files h5ad and loom of kb-python are read by :func:`read_h5ad` and
        :func:`read_loom`.
    ambiguous
        What becomes of ambiguous molecules: ``"drop"``, ``"spliced"``, ``"unspliced"`` (added to
        that layer) or ``"keep"`` (a layer of their own). ``"default"`` means spliced: mature
        counts only molecules that span a junction, and those of a single exon are
        among the ambiguous.

    Returns
    -------
    As :func:`read_starsolo`.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is truncated or corrupt, or files do not belong together.

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
        msg = f"{path} holds no matrices of kb-python's nac or lamanno workflow."
        raise FileNotFoundError(msg)
    table = _nac(folder) if _is_nac(folder) else _lamanno(folder)
    return table.to_anndata(ambiguous)


def kb_folder(path: Path) -> Path | None:
    """Return the folder that holds kb-python's matrices, or None."""
    if not path.is_dir():
        msg = f"there is no folder {path}."
        raise FileNotFoundError(msg)
    for folder in (path, path / "counts_filtered", path / "counts_unfiltered"):
        if _is_nac(folder) or _is_lamanno(folder):
            return folder
    return None


def _exists(folder: Path, name: str) -> bool:
    return any((folder / f"{name}{end}").is_file() for end in ("", ".gz"))


def _is_nac(folder: Path) -> bool:
    return _exists(folder, f"{_PREFIX}mature.mtx") or _exists(folder, f"{_PREFIX}nascent.mtx")


def _is_lamanno(folder: Path) -> bool:
    return _exists(folder, "spliced.mtx") and _exists(folder, "spliced.barcodes.txt")


def _nac(folder: Path) -> CountTable:
    ids = read_lines(find_file(folder, f"{_PREFIX}genes.txt", what="list of genes"))
    names = None
    if _exists(folder, f"{_PREFIX}genes.names.txt"):
        names = _gene_names(folder, f"{_PREFIX}genes.names.txt", ids)
    barcodes = find_file(folder, f"{_PREFIX}barcodes.txt", what="list of barcodes")
    cells = checked_names(read_lines(barcodes), "cells", folder)
    mature, nascent, both = (
        read_matrix(
            find_file(folder, f"{_PREFIX}{kind}.mtx", what=f"{kind} matrix"),
            transpose=False,
            shape=(len(cells), len(ids)),
        )
        for kind in ("mature", "nascent", "ambiguous")
    )
    return CountTable(
        tool="kb-python nac",
        source=folder,
        spliced=mature,
        unspliced=nascent,
        ambiguous=both,
        cells=cells,
        gene_ids=ids,
        gene_names=names,
        ambiguous_default="spliced",
    )


def _lamanno(folder: Path) -> CountTable:
    """Each matrix has barcodes of its own; a barcode that one lacks has no molecules there."""
    kinds = ("spliced", "unspliced")
    genes = {
        kind: read_lines(find_file(folder, f"{kind}.genes.txt", what="list of genes"))
        for kind in kinds
    }
    if genes["spliced"] != genes["unspliced"]:
        msg = f"{folder}: spliced.genes.txt and unspliced.genes.txt differ; they are of two runs."
        raise ValueError(msg)
    cells = {
        kind: checked_names(
            read_lines(find_file(folder, f"{kind}.barcodes.txt", what="list of barcodes")),
            "cells",
            folder,
        )
        for kind in kinds
    }
    shared = len(set(cells["spliced"]) & set(cells["unspliced"]))
    if 2 * shared < min(len(cells[kind]) for kind in kinds):
        msg = (
            f"{folder}: spliced and unspliced share {shared:,} of {len(cells['spliced']):,} and "
            f"{len(cells['unspliced']):,} barcodes; they are of two samples."
        )
        raise ValueError(msg)
    union = list(dict.fromkeys(cells["spliced"] + cells["unspliced"]))
    matrices = {}
    for kind in kinds:
        matrix = read_matrix(
            find_file(folder, f"{kind}.mtx", what=f"{kind} matrix"),
            transpose=False,
            shape=(len(cells[kind]), len(genes[kind])),
        )
        matrices[kind] = _rows_at(matrix, cells[kind], union)
    names = None
    if _exists(folder, "spliced.genes.names.txt"):
        names = _gene_names(folder, "spliced.genes.names.txt", genes["spliced"])
    return CountTable(
        tool="kb-python lamanno",
        source=folder,
        spliced=matrices["spliced"],
        unspliced=matrices["unspliced"],
        ambiguous=None,
        cells=union,
        gene_ids=genes["spliced"],
        gene_names=names,
    )


def _gene_names(folder: Path, name: str, ids: list[str]) -> list[str]:
    """Return names of genes; one without a name, an empty line, keeps its id."""
    path = find_file(folder, name, what="list of names")
    names = read_lines(path, may_be_empty=True)
    if len(names) != len(ids):
        msg = f"{path} has {len(names):,} names for {len(ids):,} genes; one of the files is cut."
        raise ValueError(msg)
    return [name or gene for name, gene in zip(names, ids, strict=True)]


def _rows_at(matrix: Any, names: list[str], union: list[str]) -> sp.csr_matrix[Any]:
    """Return the rows of a matrix in the order of `union`, empty where a name is not in it."""
    if names == union:
        return matrix
    place = pd.Index(union).get_indexer(names)
    coo = matrix.tocoo()
    return sp.csr_matrix(
        (coo.data, (np.asarray(place)[coo.row], coo.col)), shape=(len(union), matrix.shape[1])
    )
