"""Text files of names, plain or gzip, and finding the one that is there."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["find_file", "gzipped", "read_lines"]


def find_file(folder: Path, *names: str, what: str) -> Path:
    """Return the first of the names that is in a folder, plain or gzip; refuse where none is."""
    for name in names:
        for candidate in (folder / name, folder / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    there = ", ".join(sorted(p.name for p in folder.iterdir())[:12]) or "nothing"
    msg = f"{folder} has no {what} ({' or '.join(names)}, plain or .gz); it holds {there}."
    raise FileNotFoundError(msg)


def gzipped(path: Path) -> bool:
    """Tell by its name whether a file is gzip, and refuse one that is not what its name says."""
    with path.open("rb") as file:
        magic = file.read(2) == b"\x1f\x8b"
    if path.suffix == ".gz" and not magic:
        msg = f"{path} is named .gz but is not gzip; rename or compress it."
        raise ValueError(msg)
    return magic


def read_lines(path: Path, *, may_be_empty: bool = False) -> list[str]:
    """Return the names in a text file in UTF-8, one a line, without spaces around them.

    An empty line in the middle is refused, unless a name may be absent.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if gzipped(path) else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        msg = f"{path} cannot be decompressed; it may be truncated: {error}"
        raise ValueError(msg) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not text in UTF-8 (byte {error.start}); convert it."
        raise ValueError(msg) from error
    if not text.strip():
        return []
    lines = [line.strip(" \r") for line in text.removesuffix("\n").split("\n")]
    if may_be_empty:
        return lines
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        msg = f"{path}: line {lines.index('') + 1} is empty; every line must hold a name."
        raise ValueError(msg)
    return lines
