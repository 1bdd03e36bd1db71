"""Join counts to an AnnData that was analysed without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, check_counts, check_key, listed, warn, writable
from steadyvelo._arguments import public
from steadyvelo._log import say

from ._barcode_map import read_barcode_map
from ._layers import TOTALS, cell_totals, placed
from ._match_cells import CellMatch, match_by_map, match_cells
from ._match_genes import match_genes

if TYPE_CHECKING:
    import os

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["AttachReport", "attach_counts"]

_SAMPLE = "sample"
# the user is warned if a smaller share of genes has counts
_FEW_GENES = 0.5
# column with each cell's name in the table of its sample
_OWN_NAME = "name_in_sample"


@dataclass(frozen=True)
class AttachReport:
    """Result of :func:`attach_counts`.

    Attributes
    ----------
    n_cells, n_matched
        Number of cells of the AnnData, and of those with counts.
    n_counts
        Number of cells in the counts.
    cells_by, genes_by
        The labels that were compared.
    unmatched_cells, unmatched_counts
        Names of cells that were not matched, in the AnnData and in the counts.
    n_genes, n_genes_matched
        Number of genes of the AnnData, and of those with counts.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> counts = sv.datasets.simulate(n_cells=20, n_genes=10)
    >>> analysed = counts[:, :8].copy()
    >>> del analysed.layers["spliced"], analysed.layers["unspliced"]
    >>> report = sv.io.attach_counts(analysed, counts)
    >>> report.n_matched, report.n_genes_matched
    (20, 8)
    """

    n_cells: int
    n_matched: int
    n_counts: int
    cells_by: str
    genes_by: str
    unmatched_cells: tuple[str, ...]
    unmatched_counts: tuple[str, ...]
    n_genes: int
    n_genes_matched: int

    def __str__(self) -> str:
        """Return the report as lines of text."""
        without, over = self.unmatched_cells, self.unmatched_counts
        lines = (
            ("cells with counts", f"{self.n_matched:,} of {self.n_cells:,}, by {self.cells_by}"),
            ("cells without counts", f"{len(without):,}{_examples(without)}"),
            ("unmatched counts", f"{len(over):,} of {self.n_counts:,} cells{_examples(over)}"),
            (
                "genes with counts",
                f"{self.n_genes_matched:,} of {self.n_genes:,}, by {self.genes_by}",
            ),
        )
        return "\n".join(f"{name:<22}{value}" for name, value in lines)


@public
def attach_counts(
    adata: AnnData,
    counts: AnnData | Mapping[str, AnnData],
    *,
    barcode_map: Mapping[str, str] | str | os.PathLike[str] | None = None,
    sample_key: str | None = None,
    min_overlap: float = 0.9,
) -> AttachReport:
    """Add spliced and unspliced counts to an AnnData that was analysed without them.

    All cells and genes of `adata` are kept, with embeddings, clusters and colours. Cells are
    matched by name, or otherwise by barcode (``sample:BARCODEx``, ``BARCODE-1``,
    ``BARCODE-1-batch``, prefixes). If samples share barcodes, each sample is matched with the
    counts that have most of its barcodes; if this is not clear, the call is refused.

    Parameters
    ----------
    adata
        An analysed table, cells × genes; it may be the result of :func:`anndata.concat` of samples.
    counts
        The result of a reader of :mod:`steadyvelo.io`, or a mapping from samples to such results.
    barcode_map
        The name in the counts of each cell name of `adata`, if names cannot be matched. A mapping,
        or a csv or tsv file with two columns and without a header.
    sample_key
        Column of ``adata.obs`` with the sample of each cell. In the counts, samples are the names
        of the mapping, or ``counts.obs["sample"]``.
    min_overlap
        Smallest share of the cells of `adata` that must be found in the counts.

    Returns
    -------
    The numbers and names of cells and genes that were matched. Sets:

    ``layers["spliced"]``, ``layers["unspliced"]``, ``layers["ambiguous"]`` if there is one
        CSR, cells × genes of `adata`; empty rows for cells without counts.
    ``obs["n_counts_spliced"]``, ``obs["n_counts_unspliced"]``
        Totals over all genes of the counts.
    ``obs["counts_attached"]``
        Which cells have counts. The other cells are left out of fits and drawn without arrows.
    ``uns["attached_counts"]``
        The numbers of the report.

    Raises
    ------
    KeyError
        If `sample_key` or a name in `barcode_map` is missing.
    ValueError
        If too few cells are found, no gene is found, the samples of cells are not clear, or `adata`
        already has counts.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> counts = sv.datasets.simulate(n_cells=50, n_genes=20)
    >>> analysed = counts[:40].copy()
    >>> del analysed.layers["spliced"], analysed.layers["unspliced"]
    >>> print(attach_counts(analysed, counts))
    cells with counts     40 of 40, by cell names
    cells without counts  0
    unmatched counts      10 of 50 cells (cell 41, cell 42, cell 43, …)
    genes with counts     20 of 20, by var_names and var_names
    """
    check_adata(adata)
    present = [name for name in TOTALS if name in adata.layers]
    if present:
        msg = f"adata already has layers {listed(present)}; delete them first to replace them."
        raise ValueError(msg)
    counts = _as_one(counts)
    for name in TOTALS:
        check_counts(counts, name)
    if barcode_map is not None and not isinstance(barcode_map, Mapping):
        barcode_map = read_barcode_map(barcode_map)
    cells, cells_by = _match(adata, counts, barcode_map, sample_key)
    matched = cells >= 0
    _check_overlap(adata, counts, matched, cells_by, min_overlap)
    genes, genes_by = match_genes(adata, counts)
    _check_genes(adata, counts, genes, genes_by)
    layers = {name: placed(layer, cells, genes) for name, layer in _layers(counts).items()}
    totals = {kind: np.where(matched, cell_totals(counts, kind)[cells], 0.0) for kind in TOTALS}
    report = AttachReport(
        adata.n_obs,
        int(matched.sum()),
        counts.n_obs,
        cells_by,
        genes_by,
        tuple(map(str, adata.obs_names[~matched])),
        tuple(map(str, np.delete(counts.obs_names, cells[matched]))),
        adata.n_vars,
        int((genes >= 0).sum()),
    )

    writable(adata)
    for name, layer in layers.items():
        adata.layers[name] = layer
    for kind, total in totals.items():
        adata.obs[TOTALS[kind].of()] = total
    _keys.COUNTS_ATTACHED.write(adata, matched)
    _keys.ATTACHED.write(adata, _in_numbers(report, min_overlap))
    say(str(report))
    return report


def _in_numbers(report: AttachReport, min_overlap: float) -> dict[str, float | str]:
    """Return the part of the report that is stored with the AnnData."""
    return {
        "cells_matched": report.n_matched,
        "cells_by": report.cells_by,
        "genes_matched": report.n_genes_matched,
        "genes_by": report.genes_by,
        "min_overlap": min_overlap,
    }


def _layers(counts: AnnData) -> dict[str, Any]:
    """Return the layers to join."""
    names = (*TOTALS, _keys.AMBIGUOUS.of())
    return {name: counts.layers[name] for name in names if name in counts.layers}


def _as_one(counts: AnnData | Mapping[str, AnnData]) -> AnnData:
    """Return the counts of several samples as one table, with a column of samples."""
    if not isinstance(counts, Mapping):
        check_adata(counts)
        return counts
    if not counts:
        msg = "counts is an empty mapping; give one AnnData per sample."
        raise ValueError(msg)
    tables = {}
    for name, table in counts.items():
        check_adata(table)
        for layer in TOTALS:
            check_counts(table, layer)
        lean = anndata.AnnData(
            obs=table.obs[[c for c in table.obs if c.startswith("n_counts_")]].copy(),
            var=table.var,
            layers={layer: sp.csr_matrix(x) for layer, x in _layers(table).items()},
        )
        lean.obs[_OWN_NAME] = table.obs_names
        lean.obs_names = [f"{name}:{cell}" for cell in table.obs_names]
        tables[name] = lean
    first = next(iter(tables.values()))
    for name, table in tables.items():
        if set(table.var_names) == set(first.var_names):
            tables[name] = table[:, first.var_names]
        else:
            msg = (
                f"sample {name!r} and the first sample have different genes; count both with the "
                "same annotation."
            )
            raise ValueError(msg)
    return anndata.concat(tables, label=_SAMPLE, merge="same")


def _match(
    adata: AnnData, counts: AnnData, barcode_map: Mapping[str, str] | None, sample_key: str | None
) -> CellMatch:
    """Return each cell's place in the counts, and the labels that were compared."""
    if barcode_map is not None:
        return match_by_map(adata.obs_names, counts.obs_names, barcode_map)
    groups = None
    if sample_key is not None:
        remedy = "give the name of the column with samples as sample_key=."
        column = check_key(adata, "obs", sample_key, remedy)
        groups = np.array([None if pd.isna(g) else str(g) for g in column], dtype=object)
    other_groups = None
    if _SAMPLE in counts.obs:
        other_groups = counts.obs[_SAMPLE].astype(str).to_numpy(dtype=object)
    names = pd.Index(counts.obs[_OWN_NAME]) if _OWN_NAME in counts.obs else counts.obs_names
    return match_cells(adata.obs_names, names, groups=groups, other_groups=other_groups)


def _check_overlap(
    adata: AnnData, counts: AnnData, matched: NDArray[np.bool_], by: str, min_overlap: float
) -> None:
    """Refuse counts in which too few cells are found."""
    if matched.mean() < min_overlap:
        msg = (
            f"{matched.sum():,} of {adata.n_obs:,} cells ({matched.mean():.0%}) were found in the "
            f"counts by {by}, fewer than min_overlap={min_overlap:g}. Unmatched cells of adata are "
            f"{listed(adata.obs_names[~matched], 3)}; cells of the counts are "
            f"{listed(counts.obs_names, 3)}. If these are the same cells, give barcode_map= or "
            "sample_key=."
        )
        raise ValueError(msg)


def _check_genes(adata: AnnData, counts: AnnData, genes: NDArray[np.int64], by: str) -> None:
    """Refuse counts in which no gene is found, and warn if few are found."""
    found = genes >= 0
    if not found.any():
        msg = (
            f"no gene was found in the counts: genes of adata are {listed(adata.var_names, 3)}, "
            f"genes of the counts are {listed(counts.var_names, 3)}. Store the ids of the genes in "
            "var['gene_id'] of both."
        )
        raise ValueError(msg)
    if found.mean() < _FEW_GENES:
        warn(
            f"only {int(found.sum()):,} of {adata.n_vars:,} genes were found in the counts, by "
            f"{by}; check that var['gene_id'] has the same kind of ids in both."
        )


def _examples(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return " (" + ", ".join(names[:3]) + (", …)" if len(names) > 3 else ")")
