"""AnnData files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import h5py

from ._files import replacing
from ._hdf5 import check_hdf5

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["load_h5ad", "write_h5ad"]

# gzip packs no more than about 1,032 bytes into one; what is small may be empty
_MOST_PACKED = 2000
_SMALL = 64_000_000


def load_h5ad(path: str | os.PathLike[str]) -> AnnData:
    """Read an h5ad file as it is.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    What it holds.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, or not an AnnData file.

    Examples
    --------
    >>> load_h5ad("absent.h5ad")
    Traceback (most recent call last):
    FileNotFoundError: there is no file absent.h5ad.
    """
    source = Path(path)
    check_hdf5(source, "an h5ad")
    try:
        with h5py.File(source, "r") as file:
            missing = {"obs", "var"} - set(file)
            file.visititems(lambda name, item: _check_stored(source, name, item))
    except OSError as error:
        msg = f"{source} cannot be opened; it may be truncated: {error}"
        raise ValueError(msg) from error
    if missing:
        msg = f"{source} is an HDF5 file without {' and '.join(sorted(missing))}: no AnnData."
        raise ValueError(msg)
    try:
        return anndata.read_h5ad(source)
    except MemoryError:
        raise
    except Exception as error:  # a corrupt file makes anndata fail in many ways
        msg = f"{source} cannot be read as AnnData; it may be truncated or corrupt: {error}"
        raise ValueError(msg) from error


def _check_stored(source: Path, name: str, item: Any) -> None:
    """Refuse a data set that claims far more than is stored for it."""
    if not isinstance(item, h5py.Dataset) or item.size is None:
        return
    claimed = item.size * item.dtype.itemsize
    if claimed > max(_SMALL, _MOST_PACKED * item.id.get_storage_size()):
        msg = (
            f"{source}: {name} claims {item.shape}, which does not fit into the "
            f"{item.id.get_storage_size():,} bytes stored for it; the file is corrupt."
        )
        raise ValueError(msg)


def write_h5ad(adata: AnnData, path: str | os.PathLike[str]) -> None:
    """Write an AnnData to a file that is there whole or not at all.

    Parameters
    ----------
    adata
        What to write.
    path
        The file; one that exists is replaced when the new one is complete.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    PermissionError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile, steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=20, n_genes=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_h5ad(adata, f"{folder}/cells.h5ad")
    ...     load_h5ad(f"{folder}/cells.h5ad").shape
    (20, 10)
    """
    with replacing(path) as temporary:
        adata.write_h5ad(temporary)
