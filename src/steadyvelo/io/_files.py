"""Write files so that they are complete or do not exist."""

from __future__ import annotations

import glob
import os
import re
import stat
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from steadyvelo._log import remark

try:
    import fcntl
except ImportError:  # not on Windows, where unfinished files of dead processes stay
    fcntl = None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["check_target", "replacing", "replacing_together"]

# how names of unfinished files begin
_UNFINISHED = ".steadyvelo-"
_PATTERN = re.compile(r"\.steadyvelo-.*-[a-z0-9_]{8}(\.\w+)?")
# files that are read, alone or together
_TABLES = {".h5ad", ".h5mu", ".loom", ".h5"}
_TEXT = re.compile(r"\.(mtx|tsv|txt|csv|json|loom|h5)(\.gz)?$|^(adata|quants)\.h5ad$|^\.z\w+$")
# files of an input folder that are compared with the target
_MOST_MEMBERS = 20_000


def check_target(
    path: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str] | None] = ()
) -> Path:
    """Return a path that can be written; refuse other paths before anything is computed.

    None of the `inputs`, nor a file in one that is a folder, may be replaced.
    """
    target = Path(path)
    if target.is_dir():
        msg = f"{target} is a folder; give a file in it."
        raise IsADirectoryError(msg)
    try:
        real = target.resolve()
        # newer Pythons return such a link as it is
        circle = real.is_symlink()
    except (RuntimeError, OSError):
        real, circle = target, True
    if circle:
        msg = f"{target} is a link that leads back to itself; give a file."
        raise ValueError(msg)
    if not real.parent.is_dir():
        parent = real.parent if target.is_symlink() else target.parent
        msg = f"the folder {parent} does not exist; create it first (mkdir -p)."
        raise FileNotFoundError(msg)
    if real.exists() and not real.is_file():
        msg = f"{target} is a device or a pipe, which a file cannot replace; give a file."
        raise ValueError(msg)
    for given in inputs:
        if given is not None and _is_of(real, Path(given)):
            msg = f"{target} is also the input, which would be lost; name another file."
            raise ValueError(msg)
    try:
        with tempfile.TemporaryFile(dir=real.parent):
            pass
    except OSError as error:
        msg = f"the folder {real.parent} is not writable ({error.strerror}); choose another folder."
        raise PermissionError(msg) from error
    return target


def _is_of(target: Path, given: Path) -> bool:
    """Tell whether a file exists and is the given file, or in the given folder."""
    given = given.expanduser()
    if not target.exists():
        return False
    if given.is_file():
        return target.samefile(given)
    if given.is_dir():
        # a folder may have links to files elsewhere
        files = [path for path in islice(given.rglob("*"), _MOST_MEMBERS) if path.is_file()]
    else:
        # published files that begin with a path
        there = given.parent.is_dir() and bool(given.name)
        files = list(given.parent.glob(f"{glob.escape(given.name)}*")) if there else []
    tables = [path for path in files if path.suffix in _TABLES]
    # a result may lie among the files of a counting program, but not in place of what is read
    texts = [path for path in files if _TEXT.search(path.name)]
    read = texts + (tables if len(tables) == 1 and not texts else [])
    return any(target.samefile(path) for path in read)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside the target, and rename it when it is written.

    After an error or Ctrl-C, the target is unchanged and the temporary file is removed. A link is
    followed, and a replaced file keeps its permissions.
    """
    with replacing_together([path]) as (temporary,):
        yield temporary


@contextmanager
def replacing_together(paths: Sequence[str | os.PathLike[str]]) -> Iterator[list[Path]]:
    """Yield a temporary path for each target, and rename all of them when all are written.

    The others are removed before the first is renamed, so that files of an earlier result are never
    beside a new one. If a temporary file was removed, its target is too.
    """
    targets = [check_target(path) for path in paths]
    with ExitStack() as files:
        temporary = [files.enter_context(_unfinished(target.resolve())) for target in targets]
        yield temporary
        if not temporary[0].exists():
            msg = f"{temporary[0]} was removed before {targets[0]} was complete; run it again."
            raise FileNotFoundError(msg)
        for made, target in zip(temporary, targets, strict=True):
            if made.exists():
                made.chmod(_permissions(target))
        for target in targets[1:]:
            target.resolve().unlink(missing_ok=True)
        for made, target in zip(temporary, targets, strict=True):
            if target.is_symlink():
                remark(f"{target} is a link; the file {target.resolve()} is written")
            if made.exists():
                made.replace(target.resolve())


def _permissions(target: Path) -> int:
    """Return the permissions of a file, or those of a new one."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """Yield an empty file beside the target, which is locked as long as this process lives."""
    _sweep(target.parent)
    handle, temporary = _locked(target)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _locked(target: Path) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f"{_UNFINISHED}{target.stem}-", suffix=target.suffix
        )
        # another process could have swept it away before it was locked
        if _lock(handle) and Path(name).exists():
            return handle, Path(name)
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock a file for the life of this process; tell whether no other process has locked it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network drives have no locks; the file is then not swept either
        return True
    return True


def _sweep(folder: Path) -> None:
    """Remove unfinished files of processes that were killed, whose locks are gone."""
    if fcntl is None:
        return
    for path in folder.glob(f"{_UNFINISHED}*"):
        if _PATTERN.fullmatch(path.name) is None:
            continue
        # it may be another user's, or be removed by another process at this moment
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)
