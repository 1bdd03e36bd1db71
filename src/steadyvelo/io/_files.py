"""Writing files so that none is ever half-written."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_target", "replacing"]


def check_target(path: str | os.PathLike[str]) -> Path:
    """Return a path that can be written; refuse others before anything is computed."""
    target = Path(path)
    if target.is_dir():
        msg = f"{target} is a folder; name a file in it."
        raise IsADirectoryError(msg)
    if not target.parent.is_dir():
        msg = f"the folder {target.parent} does not exist; make it first (mkdir -p)."
        raise FileNotFoundError(msg)
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        msg = f"nothing can be written to the folder {target.parent}: {error.strerror}."
        raise PermissionError(msg) from error
    return target


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside the target, and rename it when all was written.

    After an error or Ctrl-C the target is as it was and the temporary file gone.
    """
    target = check_target(path)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files only their owner can read
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
