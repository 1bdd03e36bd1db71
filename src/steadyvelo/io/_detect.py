"""Recognise which counting program wrote a file or folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steadyvelo._arguments import public

from ._alevin_fry import read_alevin_fry
from ._anndata_files import read_h5ad, read_zarr
from ._chosen_cells import chosen_cells
from ._find_counts import Found, find_counts
from ._kb import read_kb
from ._loom import read_loom
from ._looms import loom_files, read_looms
from ._packed import local_path, unpacked
from ._starsolo import read_starsolo
from ._tenx import read_matrices

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from anndata import AnnData

    from ._count_table import Ambiguous

__all__ = ["read"]


@public
def read(
    path: str | os.PathLike[str],
    *,
    ambiguous: Ambiguous = "default",
    spliced: str | None = None,
    unspliced: str | None = None,
    filtered: bool | None = None,
    cell_attribute: str | None = None,
    gene_attribute: str | None = None,
    cells: str | os.PathLike[str] | Sequence[str] | None = None,
    min_molecules: float = 0,
) -> AnnData:
    """Read spliced and unspliced counts of any supported counting program.

    The format is recognised by content: a loom file (velocyto, kb-python), STARsolo's Velocyto
    output, kb-python's nac or lamanno matrices, alevin-fry's USA mode, an h5ad or h5mu file, a zarr
    store of AnnData or SpatialData; also in a gzip or zip file, or in a folder below the one given.
    A folder may have a loom file for each chromosome or cell, or a matrix in Cell Ranger's format
    for each kind of molecules or for runs with and without introns.

    Parameters
    ----------
    path
        File or folder; or, for published files ``GSM1_lung_barcodes.tsv.gz`` and so on, the folder
        and the beginning of their names, ``folder/GSM1_lung``.
    ambiguous
        What to do with ambiguous molecules: ``"drop"`` them, ``"keep"`` them in a separate
        layer, or also count them as ``"spliced"`` or as ``"unspliced"``. ``"default"`` depends on
        the counting program; see each reader. :func:`steadyvelo.tl.sensitivity` compares the arrows
        if they are counted otherwise.
    spliced, unspliced
        Names of the layers, for formats with named layers (loom, h5ad, zarr; ``"X"`` is the main
        matrix), or of the folders with matrices. Names joined by + or − are added or subtracted:
        ``spliced="exon", unspliced="intron+spanning"``, or ``unspliced="GeneFull-Gene"``.
    filtered
        For STARsolo: whether to read the cells that it called, or all barcodes. None reads the
        cells.
    cell_attribute, gene_attribute
        Column and row attributes of a loom file that contain the names of cells and genes. None
        looks for the usual attributes.
    cells
        Names of the cells to keep, in any of the forms in which :func:`attach_counts` matches them:
        a list, or a file with one name per line. None keeps all.
    min_molecules
        Smallest number of spliced and unspliced molecules of a cell that is kept.

    Returns
    -------
    Cells × genes with layers ``spliced`` and ``unspliced``; see the readers.

    Raises
    ------
    FileNotFoundError
        If `path` does not exist, or a file of a recognised folder is missing.
    ValueError
        If the format is not recognised, a file is truncated or corrupt, the files do not match, an
        argument does not apply to the format, or most of `cells` are not there.

    Examples
    --------
    >>> read("absent")
    Traceback (most recent call last):
    FileNotFoundError: there is no file or folder absent.
    """
    source = local_path(path)
    options = {
        "filtered": filtered,
        "spliced": spliced,
        "unspliced": unspliced,
        "cell_attribute": cell_attribute,
        "gene_attribute": gene_attribute,
    }
    with unpacked(source) as place:
        found = find_counts(place, named=(spliced, unspliced) != (None, None))
        adata = _read(found, ambiguous, options)
    return chosen_cells(adata, cells, min_molecules)


# the options of each format, and its reader
_READERS: dict[str, tuple[Callable[..., AnnData], tuple[str, ...]]] = {
    "a zarr store": (read_zarr, ("spliced", "unspliced")),
    "an h5ad file": (read_h5ad, ("spliced", "unspliced")),
    "a loom file": (read_loom, ("spliced", "unspliced", "cell_attribute", "gene_attribute")),
    "loom files": (read_looms, ("spliced", "unspliced", "cell_attribute", "gene_attribute")),
    "matrices of several kinds": (read_matrices, ("spliced", "unspliced", "filtered")),
    "output of STARsolo": (read_starsolo, ("filtered",)),
    "output of kb-python": (read_kb, ()),
    "output of alevin-fry": (read_alevin_fry, ()),
}


def _read(found: Found, ambiguous: Ambiguous, options: dict[str, Any]) -> AnnData:
    """Call the reader of a format; refuse an option that does not apply to it."""
    reader, known = _READERS[found.format]
    given = {name: value for name, value in options.items() if value is not None}
    unknown = [name for name in given if name not in known]
    if unknown:
        msg = (
            f"{unknown[0]}={given[unknown[0]]!r} does not apply to {found.format} ({found.path}); "
            "leave it out."
        )
        raise ValueError(msg)
    source: Any = loom_files(found.path) if found.format == "loom files" else found.path
    return reader(source, ambiguous=ambiguous, **given)
