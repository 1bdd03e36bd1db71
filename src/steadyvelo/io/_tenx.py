"""Matrices in the format of Cell Ranger, one for each kind of molecules or run.

Such a matrix alone has no division into spliced and unspliced molecules. Several of the same cells
do, by their names: ``spliced`` and ``unspliced``; runs with and without introns; ``Gene`` and
``GeneFull`` of STARsolo, if it counted no ``Velocyto`` (as for cells in wells).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo._log import say

from ._broken import refusing
from ._count_table import Ambiguous, CountTable
from ._hdf5 import opened_hdf5
from ._matrix_market import read_matrix, values_per_line
from ._molecule_sums import chosen_kinds
from ._text import checked_names, find_file, has_file, read_names

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

__all__ = ["named_matrices", "read_matrices", "tenx_leaf"]

_NAMES = ("filtered_feature_bc_matrix", "filtered_gene_bc_matrices")
_RAW_NAMES = ("raw_feature_bc_matrix", "raw_gene_bc_matrices")
_KIND = "Gene Expression"


class _Matrix(NamedTuple):
    """Counts, cells × genes, with the names of cells and the ids and names of genes."""

    counts: sp.csr_matrix[Any]
    cells: list[str]
    ids: list[str]
    names: list[str]


def tenx_leaf(folder: Path, *, filtered: bool = True) -> Path | None:
    """Return the folder or file with a matrix in a folder of one run; None if there is none."""
    first, second = (_NAMES, _RAW_NAMES) if filtered else (_RAW_NAMES, _NAMES)
    order = ("filtered", "raw") if filtered else ("raw", "filtered")
    below = [*order, *first, *second]
    places = [folder, *(folder / name for name in below)]
    places += [folder / "outs" / name for name in (*first, *second)]
    for place in places:
        if place.is_dir() and has_file(place, "matrix.mtx"):
            path = find_file(place, "matrix.mtx", what="matrix")
            return place if values_per_line(path) <= 1 else None
        if place.with_suffix(".h5").is_file():
            return place.with_suffix(".h5")
    return None


def named_matrices(folder: Path, *, filtered: bool = True) -> dict[str, Path]:
    """Return the matrices in the folders of a folder, by the names of these."""
    if not folder.is_dir():
        return {}
    found = {}
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        leaf = tenx_leaf(below, filtered=filtered)
        if leaf is not None:
            # kb-python writes cellranger_mature and so on
            found[below.name.removeprefix("cellranger_")] = leaf
    return found


def read_matrices(
    folder: Path,
    *,
    spliced: str | None = None,
    unspliced: str | None = None,
    filtered: bool = True,
    ambiguous: Ambiguous = "default",
) -> AnnData:
    """Read several matrices of the same cells, with the cells and genes that all of them have."""
    leaves = named_matrices(folder, filtered=filtered)
    kinds = chosen_kinds(leaves, folder, spliced, unspliced, what="matrices")
    both = "ambiguous" if "ambiguous" in leaves else None
    names = [*kinds.names, *([both] if both and both not in kinds.names else [])]
    matrices = {name: _read(leaves[name]) for name in names}
    cells = _common([m.cells for m in matrices.values()], "cells", folder)
    ids = _common([m.ids for m in matrices.values()], "genes", folder)
    first = next(iter(matrices.values()))
    named = dict(zip(first.ids, first.names, strict=True))

    def load(name: str) -> Any:
        one = matrices[name]
        rows, columns = pd.Index(one.cells).get_indexer(cells), pd.Index(one.ids).get_indexer(ids)
        return one.counts[rows].tocsc()[:, columns].tocsr()

    table = CountTable(
        "kb-python nac" if kinds.kb else "matrices",
        folder,
        kinds.spliced.read(load, folder),
        kinds.unspliced.read(load, folder),
        load(both) if both else None,
        cells=list(cells),
        gene_ids=list(ids),
        gene_names=[named[gene] for gene in ids],
        ambiguous_default="spliced" if kinds.kb else "keep",
    )
    return table.to_anndata(ambiguous)


def _common(lists: list[list[str]], what: str, folder: Path) -> list[str]:
    """Return the names that are in all lists; say how many are not."""
    kept = [name for name in lists[0] if all(name in other for other in map(set, lists[1:]))]
    if not kept:
        msg = f"the matrices in {folder} have no {what} in common; use runs of the same sample."
        raise ValueError(msg)
    most = max(map(len, lists))
    if len(kept) < most:
        say(f"{len(kept):,} {what} are in all matrices of {folder.name}, of up to {most:,}")
    return kept


def _read(leaf: Path) -> _Matrix:
    return _read_hdf5(leaf) if leaf.is_file() else _read_folder(leaf)


def _read_folder(folder: Path) -> _Matrix:
    cells = read_names(folder, "barcodes.tsv", what="list of barcodes")
    lines = read_names(folder, "features.tsv", "genes.tsv", what="list of features")
    columns = [line.split("\t") for line in lines]
    path = find_file(folder, "matrix.mtx", what="matrix")
    counts = read_matrix(path, transpose=True, shape=(len(cells), len(columns)))
    kinds = [row[2] if len(row) > 2 else _KIND for row in columns]
    ids = [row[0] for row in columns]
    return _of_genes(folder, counts, cells, ids, [(row[1:2] or row)[0] for row in columns], kinds)


def _read_hdf5(path: Path) -> _Matrix:
    with opened_hdf5(path, "a Cell Ranger h5") as file:
        group, features = file["matrix"], file["matrix/features"]
        parts = tuple(group[name][()] for name in ("data", "indices", "indptr"))
        n_genes, n_cells = (int(n) for n in group["shape"][()])
        texts = [group["barcodes"], features["id"], features["name"], features["feature_type"]]
        cells, ids, names, kinds = ([x.decode() for x in text[()]] for text in texts)
    with refusing(path, "cannot be read as a matrix of Cell Ranger:"):
        counts = sp.csr_matrix(parts, shape=(n_cells, n_genes))
        counts.check_format(full_check=True)
    return _of_genes(path, counts, cells, ids, names, kinds)


def _of_genes(
    source: Path,
    counts: Any,
    cells: list[str],
    ids: list[str],
    names: list[str],
    kinds: list[str],
) -> _Matrix:
    """Leave out features that are not genes, such as antibodies; refuse lists that do not fit."""
    lengths = {"barcodes": len(cells), "ids": len(ids), "names": len(names), "types": len(kinds)}
    n_cells, n_features = counts.shape
    if lengths != {"barcodes": n_cells, **dict.fromkeys(("ids", "names", "types"), n_features)}:
        found = ", ".join(f"{n:,} {what}" for what, n in lengths.items())
        msg = (
            f"{source} has a matrix of {n_cells:,} cells × {n_features:,} features, but {found}; "
            "it is corrupt."
        )
        raise ValueError(msg)
    genes = np.flatnonzero(np.array(kinds) == _KIND)
    kept = checked_names([ids[g] for g in genes], "gene ids", source)
    cells = checked_names(cells, "cells", source)
    return _Matrix(counts[:, genes], cells, kept, [names[g] for g in genes])
