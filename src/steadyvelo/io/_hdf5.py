"""What h5ad and loom files have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_hdf5"]


def check_hdf5(source: Path, kind: str) -> None:
    """Refuse what is no file, or no HDF5 file and so none of the kind."""
    if not source.is_file():
        msg = f"there is no file {source}."
        raise FileNotFoundError(msg)
    if not h5py.is_hdf5(source):
        msg = f"{source} is not an HDF5 file, so not {kind} file."
        raise ValueError(msg)
