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


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file in UTF-8, without empty ones at the end."""
    try:
        raw = gzip.decompress(path.read_bytes()) if gzipped(path) else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        msg = f"{path} cannot be decompressed; it may be truncated: {error}"
        raise ValueError(msg) from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"{path} is not text in UTF-8 (byte {error.start}); convert it."
        raise ValueError(msg) from error
    return text.replace("\r\n", "\n").rstrip("\n").split("\n") if text.strip() else []
