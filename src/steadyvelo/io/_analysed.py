"""Read a table that was analysed, which may have no counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._anndata_files import load_h5ad, load_zarr
from ._find_counts import is_loom
from ._packed import local_path, unpacked

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from anndata import AnnData

__all__ = ["load_analysed"]


def load_analysed(path: str | os.PathLike[str]) -> AnnData:
    """Read an h5ad or h5mu file or a zarr store without changes, also in a gzip or zip file."""
    source = local_path(path)
    with unpacked(source) as place:
        if _is_loom_file(place):
            msg = (
                f"{source} is a loom file, which has counts: import it, or attach it to the cells "
                "of an analysis in an h5ad file."
            )
            raise ValueError(msg)
        return load_zarr(place) if place.is_dir() else load_h5ad(place)


def _is_loom_file(path: Path) -> bool:
    import h5py  # noqa: PLC0415 (only for files)

    return path.is_file() and bool(h5py.is_hdf5(path)) and is_loom(path)
