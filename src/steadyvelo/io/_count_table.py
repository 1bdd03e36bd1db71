"""The common table of all readers, and the AnnData that is made from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pandas as pd
from anndata import AnnData
from anndata.utils import make_index_unique

from steadyvelo import _keys
from steadyvelo._log import say
from steadyvelo._version import __version__

from ._broken import refusing
from ._layers import TOTALS, counts_of_kinds, write_totals
from ._text import checked_names

if TYPE_CHECKING:
    from pathlib import Path

    import scipy.sparse as sp

__all__ = ["Ambiguous", "CountTable", "record_import", "split_cell_ids"]

Ambiguous: TypeAlias = Literal["default", "drop", "spliced", "unspliced", "keep"]
# velocyto's names of cells
_VELOCYTO = re.compile(r"(?P<sample>.+):(?P<barcode>[ACGTN]{6,})x?")


@dataclass(frozen=True, eq=False)
class CountTable:
    """Counts of one file or folder, cells × genes, with the names that the file contains.

    Ids or names of genes may be None, but not both. `ambiguous_default` is what happens to
    ambiguous molecules by default: they are kept in a separate layer, or also counted as
    spliced if those within a single exon are ambiguous. `of_cells` and `of_genes` are columns for
    ``obs`` and ``var``.
    """

    tool: str
    source: Path
    spliced: sp.csr_matrix[Any]
    unspliced: sp.csr_matrix[Any]
    ambiguous: sp.csr_matrix[Any] | None
    cells: list[str]
    gene_ids: list[str] | None
    gene_names: list[str] | None
    ambiguous_default: Literal["keep", "spliced"] = "keep"
    of_cells: dict[str, Any] = field(default_factory=dict)
    of_genes: dict[str, Any] = field(default_factory=dict)

    def to_anndata(self, ambiguous: Ambiguous = "default") -> AnnData:
        """Return the AnnData: X is spliced, and counts are CSR int32 or float32."""
        shape = (len(self.cells), len(self.gene_ids or self.gene_names or []))
        if 0 in shape:
            msg = (
                f"{self.source} has {shape[0]} cells and {shape[1]} genes, so there are no counts."
            )
            raise ValueError(msg)
        if self.spliced.nnz == 0 and self.unspliced.nnz == 0:
            hint = (
                "; STARsolo fills them with --soloFeatures Gene Velocyto only"
                if self.tool == "STARsolo"
                else ""
            )
            msg = f"{self.source} has no spliced and no unspliced molecules, only zeros{hint}."
            raise ValueError(msg)
        choice = self.ambiguous_default if ambiguous == "default" else ambiguous
        pair = {"spliced": self.spliced, "unspliced": self.unspliced}
        with refusing(self.source, "cannot be read:"):
            layers = counts_of_kinds(pair, self.ambiguous, choice, str(self.source))
        obs, var = split_cell_ids(self.cells, str(self.source)), self._genes()
        for frame, columns in ((obs, self.of_cells), (var, self.of_genes)):
            for name, values in columns.items():
                if name not in frame:
                    frame[name] = values
        adata = AnnData(X=layers["spliced"].copy(), obs=obs, var=var, layers=layers)
        write_totals(adata)
        record_import(adata, self.tool, self.source, choice, self.ambiguous)
        return adata

    def _genes(self) -> pd.DataFrame:
        names = pd.Index(
            self.gene_ids if self.gene_names is None else self.gene_names, dtype=object
        )
        genes = pd.DataFrame(index=make_index_unique(names))
        if self.gene_ids is not None:
            genes["gene_id"] = self.gene_ids
        if self.gene_names is not None and not names.is_unique:
            genes["gene_name"] = self.gene_names
        return genes


def split_cell_ids(cells: list[str], source: str) -> pd.DataFrame:
    """Return `obs` with barcodes as index, and with the sample if names contain one.

    If samples share barcodes, names keep the sample.
    """
    matches = [_VELOCYTO.fullmatch(cell) for cell in cells]
    if not all(matches):
        return pd.DataFrame(index=checked_names(cells, "cells", source))
    samples = [m["sample"] for m in matches if m]
    barcodes = [m["barcode"] for m in matches if m]
    index = barcodes
    if not pd.Index(barcodes).is_unique:
        index = [f"{s}:{b}" for s, b in zip(samples, barcodes, strict=True)]
    frame = {"sample": pd.Categorical(samples), "cell_id": cells}
    return pd.DataFrame(frame, index=checked_names(index, "cells", source))


def record_import(
    adata: AnnData, tool: str, source: Path, choice: str, ambiguous: Any | None, **more: Any
) -> None:
    """Record in `uns` what was read, and report it with the number of ambiguous molecules.

    An existing record is kept.
    """
    n_ambiguous = 0 if ambiguous is None else int(ambiguous.sum())
    if not _keys.IMPORT.is_in(adata):
        entry = {
            "tool": tool,
            "source": source.name,
            **more,
            "ambiguous": "none" if ambiguous is None else choice,
            "ambiguous_molecules": n_ambiguous,
            "version": __version__,
        }
        _keys.IMPORT.write(adata, entry)
    spliced, unspliced = (f"{adata.layers[kind].sum():,.0f}" for kind in TOTALS)
    what = "an AnnData file" if tool == "AnnData" else f"{tool} output"
    say(
        f"read {what}: {adata.n_obs:,} cells × {adata.n_vars:,} genes, {spliced} spliced "
        f"and {unspliced} unspliced molecules{_said(choice, n_ambiguous)}"
    )


def _said(choice: str, molecules: int) -> str:
    if molecules == 0:
        return ""
    done = {"drop": "dropped", "keep": "kept in a separate layer"}.get(
        choice, f"counted as {choice}"
    )
    return f"; {molecules:,} ambiguous molecules {done}"
