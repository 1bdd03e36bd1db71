"""What every counter's output comes down to, and the AnnData made of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from anndata.utils import make_index_unique

from steadyvelo import _keys
from steadyvelo._adata._checks import check_sparse, one_of
from steadyvelo._version import __version__

from ._barcodes import split_cell_ids

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AMBIGUOUS_CHOICES",
    "Ambiguous",
    "CountTable",
    "as_counts",
    "log_read",
    "with_ambiguous",
]

Ambiguous: TypeAlias = Literal["default", "drop", "spliced", "unspliced", "keep"]
AMBIGUOUS_CHOICES = ("default", "drop", "spliced", "unspliced", "keep")

log = logging.getLogger("steadyvelo")


@dataclass(frozen=True, eq=False)
class CountTable:
    """Counts of one file or folder.

    Attributes
    ----------
    tool
        The counter, in words.
    source
        Where it was read from.
    spliced, unspliced, ambiguous
        Cells × genes, CSR; ambiguous may be None.
    cells
        Names of cells as the tool writes them.
    gene_ids, gene_names
        Names of genes; either may be None, not both.
    ambiguous_default
        What the tool's ambiguous molecules are: `"drop"`, or `"spliced"` where molecules of a
        single exon are among them.
    """

    tool: str
    source: Path
    spliced: sp.csr_matrix[Any]
    unspliced: sp.csr_matrix[Any]
    ambiguous: sp.csr_matrix[Any] | None
    cells: list[str]
    gene_ids: list[str] | None
    gene_names: list[str] | None
    ambiguous_default: Literal["drop", "spliced"] = "drop"

    def to_anndata(self, ambiguous: Ambiguous = "default") -> AnnData:
        """Return the AnnData: X is spliced, counts are CSR int32 or float32."""
        one_of("ambiguous", ambiguous, AMBIGUOUS_CHOICES)
        shape = (len(self.cells), len(self.gene_ids or self.gene_names or []))
        for name in ("spliced", "unspliced", "ambiguous"):
            matrix = getattr(self, name)
            if matrix is not None and matrix.shape != shape:
                msg = (
                    f"{self.source}: the {name} matrix is {matrix.shape[0]:,} cells × "
                    f"{matrix.shape[1]:,} genes, but {shape[0]:,} cells and {shape[1]:,} genes are "
                    "named: the files do not belong together, or one is cut."
                )
                raise ValueError(msg)
        if 0 in shape:
            msg = f"{self.source} holds {shape[0]} cells and {shape[1]} genes; nothing to read."
            raise ValueError(msg)
        choice = self.ambiguous_default if ambiguous == "default" else ambiguous
        layers = self._layers(choice)
        obs = split_cell_ids(self.cells, str(self.source))
        adata = AnnData(X=layers["spliced"].copy(), obs=obs, var=self._genes(), layers=layers)
        for kind, field in (("spliced", _keys.SPLICED_TOTAL), ("unspliced", _keys.UNSPLICED_TOTAL)):
            total = layers[kind].sum(axis=1, dtype=np.float64)
            adata.obs[field.of()] = np.asarray(total).ravel()
        n_ambiguous = 0 if self.ambiguous is None else int(self.ambiguous.sum())
        adata.uns[_keys.IMPORT.of()] = {
            "tool": self.tool,
            "source": self.source.name,
            "ambiguous": "none" if self.ambiguous is None else choice,
            "ambiguous_molecules": n_ambiguous,
            "version": __version__,
        }
        log_read(adata, self.tool, choice, n_ambiguous)
        return adata

    def _layers(self, choice: str) -> dict[str, sp.csr_matrix[Any]]:
        layers = {"spliced": self.spliced, "unspliced": self.unspliced}
        if self.ambiguous is not None and choice != "drop":
            layers["ambiguous"] = self.ambiguous
        return with_ambiguous(layers, choice, str(self.source))

    def _genes(self) -> pd.DataFrame:
        names = self.gene_names if self.gene_names is not None else self.gene_ids
        index = make_index_unique(pd.Index(names, dtype=object))
        columns = {}
        if self.gene_ids is not None:
            columns["gene_id"] = self.gene_ids
        if self.gene_names is not None and not pd.Index(self.gene_names).is_unique:
            columns["gene_name"] = self.gene_names
        return pd.DataFrame(columns, index=index)


def with_ambiguous(
    layers: dict[str, Any], choice: str, source: str
) -> dict[str, sp.csr_matrix[Any]]:
    """Return layers as counts, ambiguous molecules where they belong."""
    # as counts first: a sum in the stored type could overflow
    counts = {name: as_counts(matrix, f"{source}: {name}") for name, matrix in layers.items()}
    if choice in ("spliced", "unspliced") and "ambiguous" in counts:
        counts[choice] = counts[choice] + counts.pop("ambiguous")
    return counts


def as_counts(matrix: Any, what: str) -> sp.csr_matrix[Any]:
    """Return CSR without stored zeros, int32 where values are whole numbers, else float32."""
    if sp.issparse(matrix) and matrix.format in ("csr", "csc"):
        check_sparse(matrix, what)
    if matrix.dtype.kind not in "iufb":
        msg = f"{what} holds {matrix.dtype}; counts must be numbers."
        raise ValueError(msg)
    csr = sp.csr_matrix(matrix)
    values = csr.data
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        msg = f"{what} holds NaN or infinite values."
        raise ValueError(msg)
    if values.size and values.min() < 0:
        msg = f"{what} holds negative values, the smallest {values.min():g}; counts are needed."
        raise ValueError(msg)
    whole = values.dtype.kind in "iub" or bool((values == np.floor(values)).all())
    if whole and values.size and values.max() > np.iinfo(np.int32).max:
        msg = f"{what} holds {values.max():g}, more than a cell has molecules; is it corrupt?"
        raise ValueError(msg)
    csr = sp.csr_matrix(
        (values.astype(np.int32 if whole else np.float32, copy=False), csr.indices, csr.indptr),
        shape=csr.shape,
    )
    if not csr.data.all():
        csr.eliminate_zeros()
    csr.sum_duplicates()
    return csr


def log_read(adata: AnnData, tool: str, choice: str, n_ambiguous: int) -> None:
    """Log what was read and what became of ambiguous molecules."""
    sums = {k: adata.layers[k].sum() for k in ("spliced", "unspliced")}
    log.info(
        "read %s output: %s cells × %s genes, %s spliced and %s unspliced molecules%s",
        tool,
        f"{adata.n_obs:,}",
        f"{adata.n_vars:,}",
        f"{sums['spliced']:,.0f}",
        f"{sums['unspliced']:,.0f}",
        _said(choice, n_ambiguous),
    )


def _said(choice: str, molecules: int) -> str:
    if molecules == 0:
        return ""
    done = {"drop": "dropped", "keep": "kept as a layer"}.get(choice, f"counted as {choice}")
    return f"; {molecules:,} ambiguous molecules {done}"
