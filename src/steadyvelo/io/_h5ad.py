"""AnnData files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import h5py

from ._broken import refusing
from ._files import replacing
from ._hdf5 import check_hdf5, check_stored

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["load_h5ad", "write_h5ad"]

# bytes up to which a data set may have been left empty
_SMALL = 64_000_000


def load_h5ad(path: str | os.PathLike[str]) -> AnnData:
    """Read an h5ad file as it is; refuse one that is truncated, or no AnnData."""
    source = Path(path)
    check_hdf5(source, "an h5ad")

    def check(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.size is not None:
            check_stored(source, name, item, may_be_empty=_SMALL)

    said = f"{source} cannot be opened; it may be truncated:"
    with refusing(said, OSError), h5py.File(source, "r") as file:
        missing = {"obs", "var"} - set(file)
        file.visititems(check)
    if missing:
        msg = f"{source} is an HDF5 file without {' and '.join(sorted(missing))}: no AnnData."
        raise ValueError(msg)
    # a corrupt file makes anndata fail in many ways
    with refusing(
        f"{source} cannot be read as AnnData; it may be truncated or corrupt:", Exception
    ):
        return anndata.read_h5ad(source)


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
