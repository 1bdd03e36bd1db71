"""Files to AnnData and back: one reader per counting program, and `read`, which chooses it."""

from ._alevin_fry import read_alevin_fry
from ._anndata_files import read_h5ad, read_zarr, write_h5ad
from ._attach import AttachReport, attach_counts
from ._detect import read
from ._kb import read_kb
from ._loom import read_loom
from ._starsolo import read_starsolo

__all__ = [
    "AttachReport",
    "attach_counts",
    "read",
    "read_alevin_fry",
    "read_h5ad",
    "read_kb",
    "read_loom",
    "read_starsolo",
    "read_zarr",
    "write_h5ad",
]
