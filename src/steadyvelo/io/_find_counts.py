"""Find the counts in a file or folder, and recognise the program that wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import h5py

from steadyvelo._adata._checks import listed
from steadyvelo._log import say

from ._alevin_fry import alevin_fry_folder
from ._broken import refusing
from ._kb import kb_folder
from ._looms import loom_files
from ._starsolo import is_starsolo_leaf
from ._tenx import named_matrices, tenx_leaf
from ._text import contents, starting_with

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Found", "find_counts", "is_loom"]

# how far below a folder, and in how many folders, output of a program is looked for
_DEPTH, _MOST_FOLDERS = 4, 500
# h5ad files that programs write beside, or instead of, other output
_TABLES = ("adata.h5ad", "quants.h5ad")
_KINDS = {"spliced", "unspliced", "mature", "nascent"}
# the first bytes of files that other programs read
_BAM = b"\x1f\x8b\x08\x04"
_R_FILES = (".rds", ".rda", ".rdata", ".h5seurat")


class Found(NamedTuple):
    """A format, and the file or folder that has it."""

    format: str
    path: Path


def find_counts(path: Path, *, named: bool = False) -> Found:
    """Return the counts at a path or in a folder below it; refuse if there are none or several.

    With `named`, the user has named both kinds of molecules, which may be matrices in folders.
    """
    if path.is_file():
        return _of_file(path)
    if not path.is_dir():
        # files of published data that begin with a path
        if starting_with(path) and (found := _here(path)) is not None:
            return found
        msg = f"there is no file or folder {path}."
        raise FileNotFoundError(msg)
    if named and len(named_matrices(path)) > 1 and kb_folder(path) is None:
        return Found("matrices of several kinds", path)
    here = _here(path)
    if here is not None:
        return here
    found = _below(path)
    if len(found) == 1:
        say(f"found {found[0].format} in {found[0].path}")
        return found[0]
    if found:
        paths = [str(one.path.relative_to(path)) for one in found]
        msg = (
            f"{path} has the output of {len(found)} runs ({listed(paths, 4)}); give one of them, "
            "or all of them by their samples to attach: SAMPLE=PATH."
        )
        raise ValueError(msg)
    raise ValueError(_not_recognised(path))


def is_loom(path: Path) -> bool:
    """Tell whether an HDF5 file is a loom file."""
    with refusing(path, "cannot be read; it may be truncated:"), h5py.File(path, "r") as file:
        return {"row_attrs", "col_attrs"} <= set(file)


def _of_file(path: Path) -> Found:
    if h5py.is_hdf5(path):
        return Found("a loom file" if is_loom(path) else "an h5ad file", path)
    name = path.name.lower()
    with path.open("rb") as file:
        is_bam = file.read(4) == _BAM or name.endswith((".bam", ".cram", ".sam"))
    if name.removesuffix(".gz").endswith(".mtx"):
        msg = f"{path} is one matrix; give the folder that contains it, with cells and genes."
    elif name.removesuffix(".gz").endswith(_R_FILES):
        msg = (
            f"{path} is a file of R; write the object as h5ad there: anndataR::write_h5ad(object, "
            '"counts.h5ad") or zellkonverter::writeH5AD for a SingleCellExperiment.'
        )
    elif is_bam:
        msg = (
            f"{path} has aligned reads, not counts; count them with velocyto, or the reads with "
            "STARsolo (--soloFeatures Gene Velocyto), kb-python (--workflow nac) or alevin-fry."
        )
    else:
        msg = f"{path} is not a loom file, an h5ad file or a folder, so it cannot be read."
    raise ValueError(msg)


def _here(folder: Path) -> Found | None:
    """Return what a folder has, or folders of one run in it; None if it is nothing known."""
    formats: dict[str, Callable[[Path], bool]] = {
        "a zarr store": _is_zarr,
        "output of kb-python": lambda path: kb_folder(path) is not None,
        "output of alevin-fry": lambda path: alevin_fry_folder(path) is not None,
        "output of STARsolo": _is_starsolo,
        "matrices of several kinds": _has_kinds,
        "loom files": lambda path: len(loom_files(path)) > 0,
    }
    for name, is_it in formats.items():
        if is_it(folder):
            return Found(name, folder)
    tables = [folder / name for name in _TABLES if (folder / name).is_file()]
    tables += sorted(folder.glob("*.h5ad")) if not tables else []
    return Found("an h5ad file", tables[0]) if len(tables) == 1 else None


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (".zgroup", "zarr.json"))


def _is_starsolo(folder: Path) -> bool:
    places = (folder, folder / "raw", folder / "filtered", folder / "Velocyto")
    return (folder / "Velocyto").is_dir() or any(is_starsolo_leaf(place) for place in places)


def _has_kinds(folder: Path) -> bool:
    """Tell whether a folder has matrices that are named by kinds of molecules.

    STARsolo's matrices of genes with and without introns are, too; which are meant has to be said.
    """
    names = set(named_matrices(folder))
    full = any(name.startswith("GeneFull") for name in names)
    return len(names & _KINDS) > 1 or ("Gene" in names and full)


def _below(folder: Path) -> list[Found]:
    """Return what is in the folders of a folder, not in the folders of what is found."""
    found: list[Found] = []
    level = [folder]
    n_seen = 0
    for _ in range(_DEPTH):
        below = [path for parent in level for path in _folders(parent)]
        n_seen += len(below)
        if n_seen > _MOST_FOLDERS:
            break
        level = []
        for path in below:
            here = _here(path)
            if here is None:
                level.append(path)
            else:
                found.append(here)
    return found


def _folders(parent: Path) -> list[Path]:
    there = (p for p in parent.iterdir() if p.is_dir())
    # a Mac puts a folder into zip files
    return sorted(p for p in there if not p.name.startswith(".") and p.name != "__MACOSX")


def _not_recognised(path: Path) -> str:
    """Return why nothing could be read, by what is there."""
    matrices = named_matrices(path)
    if len(matrices) > 1:
        first, second = sorted(matrices)[:2]
        return (
            f"{path} has matrices of Cell Ranger's format in {listed(matrices, 6)}; if they are "
            "runs of the same cells with and without introns, name both kinds of molecules: "
            f"spliced={first!r}, unspliced='{second}-{first}' (--spliced, --unspliced)."
        )
    if tenx_leaf(path) is not None:
        return (
            f"{path} has one matrix of Cell Ranger's format, which is not divided into spliced and "
            "unspliced molecules: count with STARsolo (--soloFeatures Gene Velocyto), kb-python "
            "(--workflow nac), alevin-fry or velocyto, or run Cell Ranger with and without introns "
            "and read the folder of both runs."
        )
    return (
        f"the format of {path} is not recognised: it is not the output of STARsolo "
        "(--soloFeatures Gene Velocyto), kb-python (nac, lamanno) or alevin-fry (USA mode), and "
        f"not a zarr store. The folder contains {contents(path)}."
    )
