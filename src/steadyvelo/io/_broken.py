"""Refuse files that are broken or of another kind, in plain words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_hdf5", "check_stored", "refusing"]

# gzip, which most files use, compresses at most about 1,032 bytes into one
_MOST_PACKED = 2000


@contextmanager
def refusing(said: str, *errors: type[Exception]) -> Iterator[None]:
    """Refuse a file with the given words if a library raises one of the errors."""
    try:
        yield
    except MemoryError:  # the file is not the cause
        raise
    except errors as error:
        msg = f"{said} {error}"
        raise ValueError(msg) from error


def check_hdf5(source: Path, kind: str) -> None:
    """Refuse a path that is not an HDF5 file."""
    if not source.is_file():
        msg = f"there is no file {source}."
        raise FileNotFoundError(msg)
    if not h5py.is_hdf5(source):
        msg = f"{source} is not an HDF5 file, so it is not {kind} file."
        raise ValueError(msg)


def check_stored(source: Path, name: str, data: h5py.Dataset, *, may_be_empty: int = 0) -> None:
    """Refuse a data set whose shape needs far more bytes than are stored.

    Data sets of up to `may_be_empty` bytes need not be written at all.
    """
    stored = data.id.get_storage_size()
    if data.size * data.dtype.itemsize > max(may_be_empty, _MOST_PACKED * max(stored, 1)):
        msg = (
            f"{source}: {name} has the shape {data.shape}, which does not fit into the {stored:,} "
            "bytes that are stored; the file is corrupt."
        )
        raise ValueError(msg)
