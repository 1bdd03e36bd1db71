"""alevin-fry's USA mode: spliced, unspliced and ambiguous columns side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._barcodes import checked_names
from ._count_table import Ambiguous, CountTable
from ._matrix_market import read_matrix
from ._text import find_file, read_lines

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["read_alevin_fry"]


def read_alevin_fry(path: str | os.PathLike[str], *, ambiguous: Ambiguous = "default") -> AnnData:
    """Read the counts of alevin-fry in USA mode.

    Parameters
    ----------
    path
        The folder that holds `alevin/quants_mat.mtx`, or that file's folder.
    ambiguous
        What becomes of ambiguous molecules: ``"drop"``, ``"spliced"``, ``"unspliced"`` (added to
        that layer) or ``"keep"`` (a layer of their own). ``"default"`` means spliced, as
        alevin-fry's documentation advises for single cells.

    Returns
    -------
    As :func:`read_starsolo`.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If it is not in USA mode, a file is truncated or corrupt, or files do not belong together.

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
        msg = f"{path} holds no quants_mat.mtx of alevin-fry."
        raise FileNotFoundError(msg)
    usa = _usa_mode(folder)
    names = read_lines(find_file(folder, "quants_mat_cols.txt", what="list of genes"))
    rows = find_file(folder, "quants_mat_rows.txt", what="list of barcodes")
    cells = checked_names(read_lines(rows), "cells", folder)
    # the list holds every gene once, or all columns, those of introns ending in -U and -A
    third, rest = divmod(len(names), 3)
    marked = rest == 0 and all(
        names[(k + 1) * third + g] == names[g] + end
        for k, end in enumerate(("-U", "-A"))
        for g in range(third)
    )
    if not marked and not usa:
        msg = (
            f"{folder} does not say that it was made in USA mode (usa_mode in quant.json or "
            "meta_info.json): spliced and unspliced cannot be told apart."
        )
        raise ValueError(msg)
    n_genes = third if marked else len(names)
    matrix = read_matrix(
        find_file(folder, "quants_mat.mtx", what="matrix"),
        transpose=False,
        shape=(len(cells), 3 * n_genes),
    )
    csc = matrix.tocsc()
    spliced, unspliced, both = (csc[:, k * n_genes : (k + 1) * n_genes].tocsr() for k in range(3))
    table = CountTable(
        tool="alevin-fry",
        source=folder,
        spliced=spliced,
        unspliced=unspliced,
        ambiguous=both,
        cells=cells,
        gene_ids=names[:n_genes],
        gene_names=None,
        ambiguous_default="spliced",
    )
    return table.to_anndata(ambiguous)


def alevin_fry_folder(path: Path) -> Path | None:
    """Return the folder that holds alevin-fry's matrix, or None."""
    if not path.is_dir():
        msg = f"there is no folder {path}."
        raise FileNotFoundError(msg)
    for folder in (path, path / "alevin"):
        if any((folder / f"quants_mat.mtx{end}").is_file() for end in ("", ".gz")):
            return folder
    return None


def _usa_mode(folder: Path) -> bool:
    """Tell whether a run says it was in USA mode; refuse one that says it was not."""
    for name in ("quant.json", "meta_info.json"):
        for candidate in (folder / name, folder.parent / name):
            if not candidate.is_file():
                continue
            try:
                usa: Any = json.loads(candidate.read_text(encoding="utf-8")).get("usa_mode")
            except (ValueError, AttributeError) as error:
                msg = f"{candidate} is not the JSON that alevin-fry writes: {error}"
                raise ValueError(msg) from error
            if usa in (False, [False]):
                msg = f"{candidate} says usa_mode is off: spliced and unspliced are one."
                raise ValueError(msg)
            if usa in (True, [True]):
                return True
    return False
