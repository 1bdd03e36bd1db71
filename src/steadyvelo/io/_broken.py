"""Refuse files that are broken or of another kind, in plain words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from steadyvelo.engine import available_memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_memory", "check_readable", "refusing"]

# letters of a library's error that are passed on
_MOST_SAID = 300
# errors of ours, which name the file
_OURS = (ValueError, FileNotFoundError, PermissionError, MemoryError)


@contextmanager
def refusing(source: Path, said: str) -> Iterator[None]:
    """Refuse a file with the given words if a library raises any error while it is read.

    Errors that name the file are ours, and are passed on.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, _OURS) and str(source) in str(error):
            raise
        if isinstance(error, MemoryError):
            msg = f"{source} needs more memory than there is: {error}"
            raise MemoryError(msg) from error  # noqa: TRY004 (no wrong type)
        # some libraries write several lines, and some nothing but the kind of error
        text = " ".join(str(error).split())[:_MOST_SAID] or type(error).__name__
        msg = f"{source} {said} {text}"
        raise ValueError(msg) from error


def check_readable(source: Path) -> None:
    """Refuse a file that this user may not read."""
    try:
        with source.open("rb"):
            pass
    except PermissionError as error:
        msg = f"{source} cannot be read: you lack the permission; ask its owner (chmod +r)."
        raise PermissionError(msg) from error


def check_memory(source: Path, n_bytes: int) -> None:
    """Refuse to read a file that needs more memory than is available."""
    available = available_memory()
    if n_bytes > available:
        msg = (
            f"{source} needs {n_bytes / 1e9:.1f} GB of memory when it is read, and "
            f"{available / 1e9:.1f} GB are available; use a machine with more memory. If the file "
            "should be smaller, it is corrupt."
        )
        raise MemoryError(msg)
