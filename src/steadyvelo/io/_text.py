"""Text files of counting programs, plain or gzip, and the names that they contain."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import pandas as pd

from steadyvelo._adata._checks import listed

from ._broken import refusing

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = [
    "check_folder",
    "checked_names",
    "contents",
    "decompressing",
    "find_file",
    "gzipped",
    "has_file",
    "read_barcodes",
    "read_lines",
    "read_names",
]


def check_folder(path: Path) -> None:
    """Refuse a path that is not a folder."""
    if not path.is_dir():
        msg = f"there is no folder {path}."
        raise FileNotFoundError(msg)


def contents(folder: Path) -> str:
    """Return the first few names in a folder."""
    return ", ".join(sorted(path.name for path in folder.iterdir())[:12]) or "nothing"


def has_file(folder: Path, name: str) -> bool:
    """Tell whether a folder contains a file, plain or gzip."""
    return any(place.is_file() for place in (folder / name, folder / f"{name}.gz"))


def find_file(folder: Path, *names: str, what: str) -> Path:
    """Return the first of some files that is in a folder, plain or gzip; refuse if none is."""
    for place in (folder / (name + end) for name in names for end in ("", ".gz")):
        if place.is_file():
            return place
    msg = (
        f"{folder} has no {what} ({' or '.join(names)}, plain or .gz); it contains "
        f"{contents(folder)}."
    )
    raise FileNotFoundError(msg)


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


def decompressing(path: Path) -> AbstractContextManager[None]:
    """Refuse a file whose compressed bytes are incomplete or damaged."""
    said = f"{path} cannot be decompressed; it may be truncated:"
    return refusing(said, EOFError, zlib.error, gzip.BadGzipFile)


def read_lines(path: Path, *, may_be_empty: bool = False) -> list[str]:
    """Return the names in a text file in UTF-8, one per line, without spaces around them.

    An empty line in the middle is refused, unless `may_be_empty`.
    """
    with decompressing(path):
        raw = gzip.decompress(path.read_bytes()) if gzipped(path) else path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not text in UTF-8 (byte {error.start}); convert it to UTF-8."
        raise ValueError(msg) from error
    if not text.strip():
        return []
    lines = [line.strip(" \r") for line in text.removesuffix("\n").split("\n")]
    if may_be_empty:
        return lines
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        msg = f"{path}: line {lines.index('') + 1} is empty; every line must contain a name."
        raise ValueError(msg)
    return lines
