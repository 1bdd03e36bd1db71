"""Write files so that they are complete or do not exist."""

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
    """Return a path that can be written; refuse other paths before anything is computed."""
    target = Path(path)
    if target.is_dir():
        msg = f"{target} is a folder; give a file in it."
        raise IsADirectoryError(msg)
    if not target.parent.is_dir():
        msg = f"the folder {target.parent} does not exist; create it first (mkdir -p)."
        raise FileNotFoundError(msg)
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        msg = (
            f"the folder {target.parent} is not writable ({error.strerror}); choose another folder."
        )
        raise PermissionError(msg) from error
    return target


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside the target, and rename it when it is written.

    After an error or Ctrl-C, the target is unchanged and the temporary file is removed.
    """
    target = check_target(path)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # files from mkstemp are readable for their owner only
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
