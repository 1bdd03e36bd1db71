"""Counts joined to an AnnData that was analysed without them."""

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
# below this share of genes with counts the user is told
_FEW_GENES = 0.5
# the name of a cell in the table of its sample
_OWN_NAME = "name_in_sample"


@dataclass(frozen=True)
class AttachReport:
    """What :func:`attach_counts` found.

    Attributes
    ----------
    n_cells, n_matched
        Cells of the AnnData, and those with counts.
    n_counts
        Cells of the counts.
    cells_by, genes_by
        What was compared.
    unmatched_cells, unmatched_counts
        Names without a partner on either side.
    n_genes, n_genes_matched
        Genes of the AnnData, and those with counts.
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
        """Return the report in lines."""
        without, over = self.unmatched_cells, self.unmatched_counts
        lines = (
            ("cells with counts", f"{self.n_matched:,} of {self.n_cells:,}, by {self.cells_by}"),
            ("cells without counts", f"{len(without):,}{_examples(without)}"),
            ("counts left over", f"{len(over):,} of {self.n_counts:,} cells{_examples(over)}"),
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
    """Bring spliced and unspliced counts to an AnnData that was analysed without them.

    Every cell and gene of `adata` stays, with its embeddings, clusters and colours. Cells are
    matched by name or else by barcode, whatever stands around it (``sample:BARCODEx``,
    ``BARCODE-1``, ``BARCODE-1-batch``, prefixes); where samples share barcodes, each sample is
    matched with the counts that share most of its barcodes, and the call is refused where that
    is not clear.

    Parameters
    ----------
    adata
        Cells × genes, analysed; also the result of :func:`anndata.concat` over samples.
    counts
        What a reader of :mod:`steadyvelo.io` returned, or one such table per sample.
    barcode_map
        From cell names of `adata` to cell names of the counts, where names cannot be matched: a
        mapping, or a csv or tsv file of two columns without a header.
    sample_key
        Column of ``adata.obs`` that holds the sample of each cell. The counts' samples are the
        names of the mapping, or ``counts.obs["sample"]``.
    min_overlap
        Share of the cells of `adata` that must be found.

    Returns
    -------
    What was matched and what was not. Sets:

    ``layers["spliced"]``, ``layers["unspliced"]``, ``layers["ambiguous"]`` if there is one
        CSR, cells × genes of `adata`; empty rows for cells without counts.
    ``obs["n_counts_spliced"]``, ``obs["n_counts_unspliced"]``
        Totals over all genes of the counts.
    ``obs["counts_attached"]``
        Which cells have counts. The others are left out of fits and drawn without an arrow.
    ``uns["attached_counts"]``
        The report in numbers.

    Raises
    ------
    KeyError
        If `sample_key` or a name in `barcode_map` is missing.
    ValueError
        If too few cells are found, no gene is, samples cannot be told apart, or `adata` holds
        counts already.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> counts = sv.datasets.simulate(n_cells=50, n_genes=20)
    >>> analysed = counts[:40].copy()
    >>> del analysed.layers["spliced"], analysed.layers["unspliced"]
    >>> print(attach_counts(analysed, counts))
    cells with counts     40 of 40, by cell names
    cells without counts  0
    counts left over      10 of 50 cells (cell 41, cell 42, cell 43, …)
    genes with counts     20 of 20, by var_names and var_names
    """
    check_adata(adata)
    present = [name for name in TOTALS if name in adata.layers]
    if present:
        msg = f"adata holds layers {listed(present)} already; delete them first to replace them."
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
    """Return what is kept of the report with the AnnData."""
    return {
        "cells_matched": report.n_matched,
        "cells_by": report.cells_by,
        "genes_matched": report.n_genes_matched,
        "genes_by": report.genes_by,
        "min_overlap": min_overlap,
    }


def _layers(counts: AnnData) -> dict[str, Any]:
    """Return the layers that are joined."""
    names = (*TOTALS, _keys.AMBIGUOUS.of())
    return {name: counts.layers[name] for name in names if name in counts.layers}


def _as_one(counts: AnnData | Mapping[str, AnnData]) -> AnnData:
    """Return counts of several samples as one table with a column of samples."""
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
            msg = f"the counts of sample {name!r} have other genes than those of the first sample."
            raise ValueError(msg)
    return anndata.concat(tables, label=_SAMPLE, merge="same")


def _match(
    adata: AnnData, counts: AnnData, barcode_map: Mapping[str, str] | None, sample_key: str | None
) -> CellMatch:
    """Return the place of each cell in the counts, and how it was found."""
    if barcode_map is not None:
        return match_by_map(adata.obs_names, counts.obs_names, barcode_map)
    groups = None
    if sample_key is not None:
        remedy = "name the column of samples as sample_key=."
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
    """Refuse counts in which too few cells were found."""
    if matched.mean() < min_overlap:
        msg = (
            f"{matched.sum():,} of {adata.n_obs:,} cells ({matched.mean():.0%}) were found in the "
            f"counts by {by}, fewer than min_overlap={min_overlap:g}: adata has "
            f"{listed(adata.obs_names[~matched], 3)}, the counts {listed(counts.obs_names, 3)}. "
            "Are these the counts of these cells? If so, give barcode_map= or sample_key=."
        )
        raise ValueError(msg)


def _check_genes(adata: AnnData, counts: AnnData, genes: NDArray[np.int64], by: str) -> None:
    """Refuse counts in which no gene was found; warn of few."""
    found = genes >= 0
    if not found.any():
        msg = (
            f"no gene was found in the counts: adata has {listed(adata.var_names, 3)}, the counts "
            f"{listed(counts.var_names, 3)}. Put matching ids into adata.var['gene_id']."
        )
        raise ValueError(msg)
    if found.mean() < _FEW_GENES:
        warn(
            f"only {int(found.sum()):,} of {adata.n_vars:,} genes were found in the counts, by "
            f"{by}; are ids of one kind in var['gene_id'] of both?"
        )


def _examples(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return " (" + ", ".join(names[:3]) + (", …)" if len(names) > 3 else ")")
