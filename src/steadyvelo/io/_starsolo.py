"""Output of STARsolo with --soloFeatures Velocyto."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from steadyvelo._arguments import public

from ._count_table import Ambiguous, CountTable
from ._matrix_market import read_layer, read_triple, values_per_line
from ._text import (
    check_folder,
    checked_names,
    contents,
    find_file,
    has_file,
    read_barcodes,
    read_names,
)

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["read_starsolo"]

_KINDS = ("spliced", "unspliced", "ambiguous")


@public
def read_starsolo(
    path: str | os.PathLike[str], *, filtered: bool = True, ambiguous: Ambiguous = "default"
) -> AnnData:
    """Read the Velocyto counts of STARsolo.

    These are three files `spliced.mtx`, `unspliced.mtx` and `ambiguous.mtx`, plain or gzip, or,
    from early versions, one file `matrix.mtx` with three values in each line.

    Parameters
    ----------
    path
        The folder `Solo.out`, its folder `Velocyto`, or the folder `raw` or `filtered` inside.
    filtered
        Whether to read the cells that STARsolo called (`filtered`) or all barcodes (`raw`), if both
        folders exist. If only one exists, it is read.
    ambiguous
        See :func:`read`. ``"default"`` keeps ambiguous molecules in a separate layer, which is
        not fitted, because they overlap both an intron and an exon; STARsolo counts molecules
        within a single exon as spliced.

    Returns
    -------
    Cells × genes with layers ``spliced`` and ``unspliced``, CSR int32, and X = spliced. ``obs`` has
    the totals over all genes, ``var["gene_id"]`` the ids of genes, and ``uns["import"]`` the source
    of the counts.

    Raises
    ------
    FileNotFoundError, ValueError
        See :func:`read`.

    References
    ----------
    Kaminow, Yunusov and Dobin (2021), https://doi.org/10.1101/2021.05.05.442755.

    Examples
    --------
    >>> read_starsolo("absent/Solo.out")
    Traceback (most recent call last):
    FileNotFoundError: there is no folder absent/Solo.out.
    """
    folder = starsolo_folder(Path(path), filtered=filtered)
    cells = read_barcodes(folder, "barcodes.tsv")
    features = read_names(folder, "features.tsv", "genes.tsv", what="list of features")
    columns = [line.split("\t") for line in features]
    shape = (len(cells), len(columns))
    if has_file(folder, "matrix.mtx") and not has_file(folder, "spliced.mtx"):
        path = find_file(folder, "matrix.mtx", what="matrix")
        layers = read_triple(path, transpose=True, shape=shape)
    else:
        layers = tuple(read_layer(folder, kind, transpose=True, shape=shape) for kind in _KINDS)
    table = CountTable(
        "STARsolo",
        folder,
        *layers,
        cells=cells,
        gene_ids=checked_names([row[0] for row in columns], "gene ids", folder),
        gene_names=[row[1] if len(row) > 1 and row[1] else row[0] for row in columns],
    )
    return table.to_anndata(ambiguous)


def starsolo_folder(path: Path, *, filtered: bool) -> Path:
    """Return the folder that contains the matrices."""
    check_folder(path)
    if is_starsolo_leaf(path):
        return path
    velocyto = path / "Velocyto" if (path / "Velocyto").is_dir() else path
    order = ("filtered", "raw") if filtered else ("raw", "filtered")
    for name in order:
        # if the preferred folder is incomplete, it is an error, not a reason to read the other one
        folder = velocyto / name
        if is_starsolo_leaf(folder) or (folder.is_dir() and velocyto.name == "Velocyto"):
            return folder
    msg = (
        f"{path} contains no Velocyto counts (it contains {contents(path)}); run STARsolo with "
        "--soloFeatures Gene Velocyto."
    )
    raise FileNotFoundError(msg)


def is_starsolo_leaf(folder: Path) -> bool:
    """Tell whether a folder contains at least one of STARsolo's Velocyto matrices."""
    if any(has_file(folder, f"{kind}.mtx") for kind in _KINDS):
        # kb-python's lamanno matrices have separate lists of barcodes
        return not has_file(folder, "spliced.barcodes.txt")
    if not has_file(folder, "matrix.mtx"):
        return False
    return values_per_line(find_file(folder, "matrix.mtx", what="matrix")) == 3
