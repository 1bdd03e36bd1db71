"""Refuse files that are broken or of another kind, in plain words."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_filters", "check_hdf5", "check_stored", "refusing"]

# gzip, which most files use, compresses at most about 1,032 bytes into one
_MOST_PACKED = 2000
# filters that compress no more than that, and the names of those that h5py does not have
_LIMITED = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_LZF}
_NAMES = {32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32015: "zstd", 32026: "blosc2"}


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


def check_filters(source: Path, data: h5py.Dataset) -> None:
    """Refuse a data set that is compressed in a way that h5py cannot read."""
    missing = [code for code in _filters(data) if not h5py.h5z.filter_avail(code)]
    if missing and importlib.util.find_spec("hdf5plugin") is not None:
        # its import adds filters to h5py
        importlib.import_module("hdf5plugin")
        missing = [code for code in missing if not h5py.h5z.filter_avail(code)]
    if missing:
        name = _NAMES.get(missing[0], f"filter {missing[0]}")
        msg = (
            f"{source} is compressed with {name}, which h5py cannot read by itself; install "
            "hdf5plugin (pip install hdf5plugin)."
        )
        raise ValueError(msg)


def _filters(data: h5py.Dataset) -> list[int]:
    created = data.id.get_create_plist()
    return [created.get_filter(k)[0] for k in range(created.get_nfilters())]


def check_stored(source: Path, name: str, data: h5py.Dataset, *, may_be_empty: int = 0) -> None:
    """Refuse a data set whose shape needs far more bytes than are stored.

    Data sets of up to `may_be_empty` bytes need not be written at all. Other filters than those of
    h5py may compress any number of zeros into few bytes.
    """
    stored = data.id.get_storage_size()
    limited = set(_filters(data)) <= _LIMITED
    most = max(may_be_empty, _MOST_PACKED * max(stored, 1))
    if limited and data.size * data.dtype.itemsize > most:
        msg = (
            f"{source}: {name} has the shape {data.shape}, which does not fit into the {stored:,} "
            "bytes that are stored; the file is corrupt."
        )
        raise ValueError(msg)
