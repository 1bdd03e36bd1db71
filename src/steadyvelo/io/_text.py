"""Text files of counting programs, plain or gzip, and the names that they contain.

In archives of published data, the files of a run have the sample in front of their names
(``GSM1_lung_barcodes.tsv.gz``). If a folder has the files of one sample, they are found by the ends
of their names; of several samples, one is given by a path that ends with its name.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pandas as pd

from steadyvelo._adata._checks import listed

from ._broken import refusing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "check_folder",
    "checked_names",
    "contents",
    "find_file",
    "gzipped",
    "has_file",
    "read_barcodes",
    "read_lines",
    "read_names",
    "starting_with",
]


# names differ from each other, so lists of them are never compressed by more than this
_MOST_PACKED, _FEW_BYTES = 100, 1_000_000


def check_folder(path: Path) -> None:
    """Refuse a path that is not a folder, nor the beginning of the names of files."""
    if not path.is_dir() and not starting_with(path):
        msg = f"there is no folder {path}."
        raise FileNotFoundError(msg)


def contents(folder: Path) -> str:
    """Return the first few names in a folder."""
    paths = list(folder.iterdir()) if folder.is_dir() else starting_with(folder)
    return ", ".join(sorted(path.name for path in paths)[:12]) or "nothing"


def has_file(folder: Path, name: str) -> bool:
    """Tell whether a folder contains a file, plain or gzip."""
    return len(_places(folder, name)) > 0


def find_file(folder: Path, *names: str, what: str) -> Path:
    """Return the first of some files that is in a folder, plain or gzip; refuse if none is."""
    for name in names:
        places = _places(folder, name)
        samples = sorted({_sample(place, name) for place in places})
        if len(samples) > 1:
            msg = (
                f"{folder} has files of {len(samples)} samples ({listed(samples, 4)}); give one "
                f"of them as {folder / samples[0]}."
            )
            raise ValueError(msg)
        if places:
            return places[0]
    msg = (
        f"{folder} has no {what} ({' or '.join(names)}, plain or .gz); it contains "
        f"{contents(folder)}."
    )
    raise FileNotFoundError(msg)


def _places(folder: Path, name: str) -> list[Path]:
    """Return a file of a folder, plain before gzip, or the files whose names end like it."""
    ends = (name, f"{name}.gz")
    if not folder.is_dir():
        there = starting_with(folder)
        own = [f"{folder.name}{sign}{end}" for end in ends for sign in ("", "_", ".", "-")]
        return [path for wanted in own for path in there if path.name == wanted]
    exact = [folder / end for end in ends if (folder / end).is_file()]
    if exact:
        return exact
    signs = tuple(f"{sign}{end}" for end in ends for sign in "_.-")
    # a Mac puts files "._NAME" beside others
    there = (path for path in folder.iterdir() if not path.name.startswith("._"))
    return sorted(path for path in there if path.name.endswith(signs) and path.is_file())


def _sample(path: Path, name: str) -> str:
    """Return what is in front of the name of a file."""
    return path.name.removesuffix(".gz").removesuffix(name).rstrip("_.-")


def starting_with(path: Path) -> list[Path]:
    """Return the files that begin with a path."""
    if not path.name or not path.parent.is_dir():
        return []
    return sorted(p for p in path.parent.iterdir() if p.name.startswith(path.name) and p.is_file())


def read_names(folder: Path, *names: str, what: str) -> list[str]:
    """Return the lines of the first of some files that is in a folder."""
    return read_lines(find_file(folder, *names, what=what))


def read_barcodes(folder: Path, name: str) -> list[str]:
    """Return the names of cells; refuse repeated names."""
    return checked_names(read_names(folder, name, what="list of barcodes"), "cells", folder)


def checked_names(names: list[str], what: str, source: Path | str) -> list[str]:
    """Refuse repeated names."""
    index = pd.Index(names)
    if not index.is_unique:
        doubled = index[index.duplicated()].unique()
        msg = (
            f"{source} has {len(doubled)} names of {what} more than once ({listed(doubled, 3)}); "
            "if samples were joined, add the sample to each name."
        )
        raise ValueError(msg)
    return names


def gzipped(path: Path) -> bool:
    """Tell from its name whether a file is gzip; refuse it if its content is not."""
    with path.open("rb") as file:
        magic = file.read(2) == b"\x1f\x8b"
    if path.suffix == ".gz" and not magic:
        msg = f"{path} is named .gz but is not gzip; rename it without .gz, or compress it."
        raise ValueError(msg)
    return magic


def read_lines(path: Path, *, may_be_empty: bool = False) -> list[str]:
    """Return the names in a text file in UTF-8, one per line, without spaces around them.

    An empty line in the middle is refused, unless `may_be_empty`.
    """
    raw = _decompressed(path) if gzipped(path) else path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not text in UTF-8 (byte {error.start}); convert it to UTF-8."
        raise ValueError(msg) from error
    if not text.strip():
        return []
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        msg = f"{path}: line {line:,} has a byte 0, so it is not text; the file is corrupt."
        raise ValueError(msg)
    lines = [line.strip(" \r") for line in text.removesuffix("\n").split("\n")]
    if may_be_empty:
        return lines
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        msg = f"{path}: line {lines.index('') + 1} is empty; every line must contain a name."
        raise ValueError(msg)
    return lines


def _decompressed(path: Path) -> bytes:
    """Return the content of a compressed list; refuse one that unpacks to more than a list does."""
    most = _FEW_BYTES + _MOST_PACKED * path.stat().st_size
    said = "cannot be decompressed; it may be truncated:"
    with refusing(path, said), gzip.open(path) as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        msg = f"{path} unpacks to more than {most:,} bytes, which is no list of names."
        raise ValueError(msg)
    return raw
