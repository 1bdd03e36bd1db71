"""Cells that are kept of a table: those that a list names, or that have enough molecules."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo._adata._checks import listed
from steadyvelo._log import say

from ._layers import TOTALS, cell_totals
from ._match_cells import match_cells
from ._text import read_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

__all__ = ["chosen_cells"]

# a list is refused if a smaller share of it is found
_LEAST_FOUND = 0.5


def chosen_cells(
    adata: AnnData, cells: str | os.PathLike[str] | Sequence[str] | None, min_molecules: float
) -> AnnData:
    """Return the cells that are listed and have enough molecules; say how many."""
    keep = np.ones(adata.n_obs, dtype=bool)
    said = []
    which = f" of {cells}" if isinstance(cells, (str, os.PathLike)) else ""
    if cells is not None:
        found = _found(adata, _names(cells), which)
        keep &= np.isin(np.arange(adata.n_obs), found)
        said.append(f"{len(found):,} are in the list{which}")
    if min_molecules > 0:
        enough = sum(cell_totals(adata, kind) for kind in TOTALS) >= min_molecules
        said.append(f"{int(enough.sum()):,} have at least {min_molecules:g} molecules")
        keep &= enough
    if keep.all():
        return adata
    if not keep.any():
        msg = f"no cell is left of {adata.n_obs:,}: {', '.join(said)}."
        raise ValueError(msg)
    say(f"kept {int(keep.sum()):,} of {adata.n_obs:,} cells: {', '.join(said)}")
    return adata[keep].copy()


def _names(cells: str | os.PathLike[str] | Sequence[str]) -> pd.Index:
    """Return the names that are listed, or that a file has in its first column."""
    if not isinstance(cells, (str, os.PathLike)):
        return pd.Index([str(name) for name in cells], dtype=object).unique()
    path = Path(cells)
    if not path.is_file():
        msg = f"there is no file {path} with names of cells."
        raise FileNotFoundError(msg)
    lines = [line.replace(",", "\t").split("\t")[0].strip('" ') for line in read_lines(path)]
    return pd.Index(lines, dtype=object).unique()


def _found(adata: AnnData, names: pd.Index, which: str) -> np.ndarray:
    """Return the places of the named cells; refuse a list of other cells."""
    if len(names) == 0:
        msg = f"the list of cells{which} is empty; give names of cells, or leave it out."
        raise ValueError(msg)
    match = match_cells(names, adata.obs_names, min_overlap=0.0)
    found = match.place[match.place >= 0]
    if len(found) < _LEAST_FOUND * len(names):
        msg = (
            f"{len(found):,} of {len(names):,} cells of the list{which} are in the counts, by "
            f"{match.how}: "
            f"listed are {listed(names, 3)}, cells of the counts are {listed(adata.obs_names, 3)}."
        )
        raise ValueError(msg)
    return found
