"""Writing an HDF5 file to a disk that may be full: HDF5 crashes if a write fails."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["created_hdf5"]


@contextmanager
def created_hdf5(path: Path, n_bytes: int) -> Iterator[h5py.File]:
    """Yield a new HDF5 file for about so many bytes; an error of ours if the disk is full."""
    free = shutil.disk_usage(path.parent).free
    if n_bytes > free:
        msg = (
            f"the result needs about {n_bytes / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free in "
            f"{path.parent}; free some, or write it elsewhere."
        )
        raise OSError(msg)
    output = _Output(path.open("w+b", buffering=0))
    with _signals_later(output):
        try:
            with h5py.File(output, "w") as file:
                yield file
        finally:
            output.close()
            # what HDF5 says after a failed write is no use
            output.check(path)


@contextmanager
def _signals_later(output: _Output) -> Iterator[None]:
    """Let Ctrl-C and signals that end the program wait until HDF5 has closed the file.

    HDF5 takes an error in the middle for a failed write, or crashes. The file takes no more bytes
    then, so this does not last long.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[int] = []

    def note(number: int, _: Any) -> None:
        noted.append(number)
        output.failure = output.failure or KeyboardInterrupt()

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    before = {number: signal.getsignal(number) for number in numbers}
    # None is a handler that Python does not know
    before = {k: x for k, x in before.items() if x not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if noted:
            signal.raise_signal(noted[0])


class _Output:
    """A file that takes bytes even after a write has failed, and tells the failure at the end.

    HDF5 reads some of what it has written; such small pieces are then kept in memory.
    """

    _SMALL = 1_000_000

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.place = 0
        self.failure: BaseException | None = None
        self.kept: dict[int, bytes] = {}

    def check(self, path: Path) -> None:
        """Raise the first failure, if there was one."""
        if self.failure is not None and not isinstance(self.failure, OSError):
            raise self.failure
        if self.failure is not None:
            msg = (
                f"{path.parent} has no room for the result ({self.failure.strerror}); free some, "
                "or write it elsewhere."
            )
            raise OSError(msg) from self.failure

    def close(self) -> None:
        """Close the file; only then do network drives tell that they are full."""
        try:
            self.raw.close()
        except OSError as error:
            self.failure = self.failure or error

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, from the start or the end."""
        base = 0 if whence == os.SEEK_SET else os.fstat(self.raw.fileno()).st_size
        self.place = base + place
        return self.place

    def tell(self) -> int:
        """Return the place."""
        return self.place

    def write(self, data: Any) -> int:
        """Write bytes at the place, or note why they cannot be written."""
        view = memoryview(data).cast("B")
        if self.failure is None:
            try:
                self.raw.seek(self.place)
                written = 0
                while written < len(view):
                    written += self.raw.write(view[written:])
            except BaseException as error:  # noqa: BLE001 (raised by `check`)
                self.failure = error
        if self.failure is not None and len(view) <= self._SMALL:
            self.kept[self.place] = bytes(view)
        self.place += len(view)
        return len(view)

    def read(self, n: int) -> bytes:
        """Return bytes at the place."""
        buffer = bytearray(n)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: Any) -> int:
        """Read bytes at the place; those of the end of the file are zeros."""
        view = memoryview(buffer).cast("B")
        self.raw.seek(self.place)
        found = self.kept.get(self.place) or self.raw.read(len(view))
        part = found[: len(view)]
        view[: len(part)] = part
        view[len(part) :] = bytes(len(view) - len(part))
        self.place += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Give the file a size, or note why this fails."""
        size = self.place if size is None else size
        if self.failure is None:
            try:
                self.raw.truncate(size)
            except BaseException as error:  # noqa: BLE001 (raised by `check`)
                self.failure = error
        return size

    def flush(self) -> None:
        """Do nothing: every write is passed on."""
