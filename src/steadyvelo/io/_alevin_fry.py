"""Output of alevin-fry in USA mode: spliced, unspliced and ambiguous counts in one matrix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steadyvelo._arguments import public

from ._broken import refusing
from ._count_table import Ambiguous, CountTable
from ._matrix_market import read_matrix
from ._text import check_folder, find_file, has_file, read_barcodes, read_names

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["read_alevin_fry"]


@public
def read_alevin_fry(path: str | os.PathLike[str], *, ambiguous: Ambiguous = "default") -> AnnData:
    """Read the counts of alevin-fry in USA mode.

    Parameters
    ----------
    path
        The folder that contains `alevin/quants_mat.mtx`, or the folder `alevin`. The names of genes
        are read from `gene_id_to_name.tsv`, if it is there or in the folder above.
    ambiguous
        See :func:`read`. ``"default"`` counts ambiguous molecules as spliced, as alevin-fry's
        documentation recommends for single cells.

    Returns
    -------
    An AnnData as from :func:`read_starsolo`.

    Raises
    ------
    FileNotFoundError, ValueError
        See :func:`read`; also if the output is not in USA mode.

    References
    ----------
    He et al. (2022), https://doi.org/10.1038/s41592-022-01408-3.

    Examples
    --------
    >>> read_alevin_fry("absent")
    Traceback (most recent call last):
    FileNotFoundError: there is no folder absent.
    """
    folder = alevin_fry_folder(Path(path))
    if folder is None:
        msg = f"{path} contains no quants_mat.mtx of alevin-fry."
        raise FileNotFoundError(msg)
    usa = _usa_mode(folder)
    names = read_names(folder, "quants_mat_cols.txt", what="list of genes")
    cells = read_barcodes(folder, "quants_mat_rows.txt")
    # the list contains every gene once, or all columns: unspliced ones end in -U, ambiguous in -A
    third = len(names) // 3
    genes = names[:third]
    marked = names == [gene + end for end in ("", "-U", "-A") for gene in genes]
    if not marked:
        genes = names
    if not marked and not usa:
        msg = (
            f"{folder} does not say that it was made in USA mode (usa_mode in quant.json or "
            "meta_info.json), so spliced and unspliced counts cannot be distinguished; copy the "
            "missing file there."
        )
        raise ValueError(msg)
    n_genes = len(genes)
    path = find_file(folder, "quants_mat.mtx", what="matrix")
    csc = read_matrix(path, transpose=False, shape=(len(cells), 3 * n_genes)).tocsc()
    table = CountTable(
        "alevin-fry",
        folder,
        *(csc[:, k * n_genes : (k + 1) * n_genes].tocsr() for k in range(3)),
        cells=cells,
        gene_ids=genes,
        gene_names=_gene_names(folder, genes),
        ambiguous_default="spliced",
    )
    return table.to_anndata(ambiguous)


def alevin_fry_folder(path: Path) -> Path | None:
    """Return the folder that contains alevin-fry's matrix, or None."""
    check_folder(path)
    folders = (path, path / "alevin")
    return next((folder for folder in folders if has_file(folder, "quants_mat.mtx")), None)


def _gene_names(folder: Path, ids: list[str]) -> list[str] | None:
    """Return the names of genes from the table beside the output; None if there is none."""
    for place in (folder, folder.parent, folder.parent.parent):
        if has_file(place, "gene_id_to_name.tsv"):
            pairs = [
                line.split("\t")
                for line in read_names(place, "gene_id_to_name.tsv", what="table of names")
            ]
            names = {pair[0]: pair[1] for pair in pairs if len(pair) > 1 and pair[1]}
            return [names.get(gene, gene) for gene in ids]
    return None


def _usa_mode(folder: Path) -> bool:
    """Tell whether a run was in USA mode; refuse a run that was not."""
    for name in ("quant.json", "meta_info.json"):
        for candidate in (folder / name, folder.parent / name):
            if not candidate.is_file():
                continue
            with refusing(candidate, "is not JSON as alevin-fry writes it:"):
                usa: Any = json.loads(candidate.read_text(encoding="utf-8")).get("usa_mode")
            if usa in (False, [False]):
                msg = (
                    f"{candidate} says usa_mode is off, so there are no unspliced counts; rerun "
                    "alevin-fry with a splici index and its map with three columns."
                )
                raise ValueError(msg)
            if usa in (True, [True]):
                return True
    return False
