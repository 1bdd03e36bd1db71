"""Recognise which counting program wrote a file or folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py

from steadyvelo._arguments import public

from ._alevin_fry import alevin_fry_folder, read_alevin_fry
from ._anndata_files import read_h5ad, read_zarr
from ._broken import refusing
from ._kb import kb_folder, read_kb
from ._loom import read_loom
from ._starsolo import is_starsolo_leaf, read_starsolo
from ._text import contents

if TYPE_CHECKING:
    import os

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
) -> AnnData:
    """Read spliced and unspliced counts of any supported counting program.

    The format is recognised by content: a loom file (velocyto, kb-python), STARsolo's Velocyto
    output, kb-python's nac or lamanno matrices, alevin-fry's USA mode, an h5ad file or zarr store.

    Parameters
    ----------
    path
        File or folder.
    ambiguous
        What to do with ambiguous molecules: ``"drop"`` them, count them as ``"spliced"`` or as
        ``"unspliced"``, or ``"keep"`` them in a separate layer. ``"default"`` depends on the
        counting program; see each reader.
    spliced, unspliced
        Names of the layers, for formats with named layers (loom, h5ad, zarr).
    filtered
        For STARsolo: whether to read the cells that it called, or all barcodes. None reads the
        cells.
    cell_attribute, gene_attribute
        Column and row attributes of a loom file that contain the names of cells and genes. None
        looks for the usual attributes.

    Returns
    -------
    Cells × genes with layers ``spliced`` and ``unspliced``; see the readers.

    Raises
    ------
    FileNotFoundError
        If `path` does not exist, or a file of a recognised folder is missing.
    ValueError
        If the format is not recognised, a file is truncated or corrupt, the files do not match, or
        an argument does not apply to the format.

    Examples
    --------
    >>> read("absent")
    Traceback (most recent call last):
    FileNotFoundError: there is no file or folder absent.
    """
    source = Path(path)
    layers = {"spliced": spliced, "unspliced": unspliced}
    attributes = {"cell_attribute": cell_attribute, "gene_attribute": gene_attribute}
    asked = _Asked(source, {"filtered": filtered, **layers, **attributes})
    if source.is_file():
        return _read_file(source, ambiguous, asked)
    if not source.is_dir():
        msg = f"there is no file or folder {source}."
        raise FileNotFoundError(msg)
    if any((source / name).is_file() for name in (".zgroup", "zarr.json")):
        return read_zarr(source, ambiguous=ambiguous, **asked.of("a zarr store", *layers))
    if kb_folder(source) is not None:
        return read_kb(source, ambiguous=ambiguous, **asked.of("output of kb-python"))
    if alevin_fry_folder(source) is not None:
        return read_alevin_fry(source, ambiguous=ambiguous, **asked.of("output of alevin-fry"))
    starsolo = (source, source / "raw", source / "filtered", source / "Velocyto")
    if (source / "Velocyto").is_dir() or any(is_starsolo_leaf(folder) for folder in starsolo):
        asked_of = asked.of("output of STARsolo", "filtered")
        return read_starsolo(source, ambiguous=ambiguous, **asked_of)
    msg = (
        f"the format of {source} is not recognised: it is not the output of STARsolo "
        "(--soloFeatures Gene Velocyto), kb-python (nac, lamanno) or alevin-fry (USA mode), and "
        f"not a zarr store. The folder contains {contents(source)}."
    )
    raise ValueError(msg)


class _Asked(NamedTuple):
    """Arguments that apply to some formats only."""

    source: Path
    values: dict[str, Any]

    def of(self, what: str, *known: str) -> dict[str, Any]:
        """Return the arguments that were given; refuse one that does not apply to the format."""
        given = {name: value for name, value in self.values.items() if value is not None}
        unknown = [name for name in given if name not in known]
        if unknown:
            msg = (
                f"{unknown[0]}={given[unknown[0]]!r} does not apply to {what} ({self.source}); "
                "leave it out."
            )
            raise ValueError(msg)
        return given


def _read_file(source: Path, ambiguous: Ambiguous, asked: _Asked) -> AnnData:
    if not h5py.is_hdf5(source):
        if source.name.removesuffix(".gz").endswith(".mtx"):
            msg = f"{source} is one matrix; give the folder that contains it, with cells and genes."
        else:
            msg = f"{source} is not a loom file, an h5ad file or a folder, so it cannot be read."
        raise ValueError(msg)
    said = f"{source} cannot be read; it may be truncated:"
    with refusing(said, OSError), h5py.File(source, "r") as file:
        loom = {"row_attrs", "col_attrs"} <= set(file)
    names = ("spliced", "unspliced")
    if loom:
        attributes = ("cell_attribute", "gene_attribute")
        options = asked.of("a loom file", *names, *attributes)
        return read_loom(source, ambiguous=ambiguous, **options)
    return read_h5ad(source, ambiguous=ambiguous, **asked.of("an h5ad file", *names))
