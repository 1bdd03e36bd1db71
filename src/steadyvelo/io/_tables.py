"""Which table a file or store has, if it has several; and files of other tools, by their name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steadyvelo._adata._checks import listed
from steadyvelo._log import say

if TYPE_CHECKING:
    from pathlib import Path

    import h5py

__all__ = ["table_folder", "table_group"]

# names of a modality or table that may have the counts
_USUAL = ("rna", "gex", "Gene Expression", "table")


def table_group(source: Path, file: h5py.File) -> str:
    """Return the group of an HDF5 file with an AnnData; the empty string for the file itself."""
    there = set(file)
    if "mod" in there and "X" not in there:
        kinds = {
            str(name): set(group.get("layers", ()))
            for name, group in file["mod"].items()
            if {"obs", "var"} <= set(group)
        }
        return f"mod/{_chosen(source, kinds, 'modalities', 'MuData')}"
    if {"assays", "cell.names"} <= there:
        msg = (
            f"{source} is a Seurat file (h5seurat); in R, write an h5ad file: "
            'SeuratDisk::Convert("FILE.h5seurat", dest = "h5ad").'
        )
        raise ValueError(msg)
    if "matrix" in there and "barcodes" in file["matrix"]:
        msg = (
            f"{source} is a matrix of Cell Ranger, whose counts are not divided into spliced and "
            "unspliced; count with velocyto, STARsolo or kb-python, or run Cell Ranger with and "
            "without introns and read the folder of both runs (spliced='exons', "
            "unspliced='introns-exons' by the names of their folders)."
        )
        raise ValueError(msg)
    missing = sorted({"obs", "var"} - there)
    if missing:
        msg = f"{source} is an HDF5 file without {' and '.join(missing)}, not an AnnData."
        raise ValueError(msg)
    for name in ("obs", "var"):
        _check_index(source, name, file[name])
    return ""


def _check_index(source: Path, name: str, group: Any) -> None:
    """Refuse a table without names of its rows."""
    if not hasattr(group, "keys"):  # an old file has one array with names in it
        return
    index = group.attrs.get("_index")
    if index is None or index not in group:
        which = "cells" if name == "obs" else "genes"
        said = "says in no attribute '_index'" if index is None else f"has no column {index!r}"
        msg = (
            f"{source}: {name} {said} {'which column' if index is None else ''}".rstrip()
            + f" with the names of the {which}; write the file again with anndata "
            "(adata.write_h5ad), or restore it."
        )
        raise ValueError(msg)


def table_folder(source: Path) -> str:
    """Return the folder of a zarr store with an AnnData; the empty string for the store itself."""
    tables = source / "tables"
    if (source / "obs").is_dir() or not tables.is_dir():
        return ""
    kinds = {
        folder.name: {layer.name for layer in (folder / "layers").glob("[!.]*")}
        for folder in sorted(tables.iterdir())
        if (folder / "obs").is_dir()
    }
    return f"tables/{_chosen(source, kinds, 'tables', 'SpatialData')}"


def _chosen(source: Path, kinds: dict[str, set[str]], what: str, which: str) -> str:
    """Return the one table with layers of counts, or of a usual name; refuse if it is not clear."""
    pairs = ({"spliced", "unspliced"}, {"mature", "nascent"})
    fitting = [name for name, layers in kinds.items() if any(p <= layers for p in pairs)]
    usual = [name for name in _USUAL if name in kinds]
    found = fitting or usual[:1] or list(kinds)
    if len(found) != 1:
        several = "several have" if fitting else "none has"
        msg = (
            f"{source} is {which} with {what} {listed(kinds)}, of which {several} layers spliced "
            "and unspliced; write the one with the counts to an h5ad file."
        )
        raise ValueError(msg)
    say(f"{source.name} is {which}: {found[0]!r} of its {what} is read")
    return found[0]
