"""Join counts to an AnnData that was analysed without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, check_counts, check_key, listed, warn, writable
from steadyvelo._arguments import public
from steadyvelo._log import say
from steadyvelo._printable import printable

from ._agreement import Agreement, agreement
from ._barcode_map import read_barcode_map
from ._cell_names import letters, split_names
from ._join_samples import OWN_NAME, SAMPLE, joined_samples
from ._layers import TOTALS, cell_totals, placed
from ._match_cells import CellMatch, Samples, match_by_map, match_cells
from ._match_genes import GeneMatch, match_genes

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["AttachReport", "attach_counts"]

# the user is warned if a smaller share of genes has counts
_FEW_GENES = 0.5
# a column of obs has the samples of the counts if at least this share of each is found
_OF_SAMPLE = 0.8


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
    unmatched_genes
        Names of genes of the AnnData that were not matched.
    doubled_genes
        Those of them whose name several genes have.
    agreement
        How well the counts agree with what the AnnData knows of its cells.

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
    unmatched_genes: tuple[str, ...]
    doubled_genes: tuple[str, ...]
    agreement: Agreement

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
            (
                "genes without counts",
                f"{len(self.unmatched_genes):,}{_examples(self.unmatched_genes)}",
            ),
            ("same cells", str(self.agreement)),
        )
        # names in the examples are those of the data
        return "\n".join(printable(f"{name:<22}{value}") for name, value in lines)


@public
def attach_counts(
    adata: AnnData,
    counts: AnnData | Mapping[str, AnnData],
    *,
    barcode_map: Mapping[str, str] | str | os.PathLike[str] | None = None,
    sample_key: str | None = None,
    min_overlap: float = 0.9,
    min_agreement: float = 0.5,
) -> AttachReport:
    """Add spliced and unspliced counts to an AnnData that was analysed without them.

    All cells and genes of `adata` are kept, with embeddings, clusters and colours. Cells are
    matched by name, or otherwise by barcode (``sample:BARCODEx``, ``BARCODE-1``,
    ``BARCODE-1-batch``, prefixes) or by well. If samples share barcodes, each sample is matched
    with the counts that have most of its barcodes; if this is not clear, the call is refused. Genes
    are matched by id or by name, in the forms that programs give to them; a name that several genes
    have decides nothing.

    The counts are compared with the expression of the cells in `adata` (layer ``"counts"``, ``raw``
    or X) and with their molecules (``obs["total_counts"]``, ``obs["nCount_RNA"]`` …). Counts of
    other cells, which may have the same barcodes, are refused.

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
        of the mapping, or ``counts.obs["sample"]``. A mapping's names decide which counts a sample
        gets; without `sample_key`, a column is used that has all of these names, if there is one.
    min_overlap
        Smallest share of the cells of `adata` that must be found in the counts.
    min_agreement
        Smallest share of cells whose expression must fit better to their own counts than to those
        of each of five other cells, in all cells and in each sample. With other cells' counts this
        share is about 1/6. If only numbers of molecules are known, their smallest rank correlation.

    Returns
    -------
    The numbers and names of cells and genes that were matched. Sets:

    ``layers["spliced"]``, ``layers["unspliced"]``, ``layers["ambiguous"]`` if there is one
        CSR, cells × genes of `adata`; empty rows for cells without counts.
    ``obs["n_counts_spliced"]``, ``obs["n_counts_unspliced"]``
        Totals over all genes of the counts.
    ``obs["counts_attached"]``
        Which cells have counts. The other cells are left out of fits and drawn without arrows.
    ``var["counts_attached"]``
        Which genes have counts.
    ``uns["attached_counts"]``
        The numbers of the report.
    ``uns["import"]``
        The source of the counts, if a reader recorded it.

    Raises
    ------
    KeyError
        If `sample_key` or a name in `barcode_map` is missing.
    ValueError
        If too few cells are found, no gene is found, the samples of cells are not clear, the counts
        are not those of these cells, or `adata` already has counts.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> counts = sv.datasets.simulate(n_cells=50, n_genes=80)
    >>> analysed = counts[:40].copy()
    >>> del analysed.layers["spliced"], analysed.layers["unspliced"]
    >>> print(attach_counts(analysed, counts))
    cells with counts     40 of 40, by cell names
    cells without counts  0
    unmatched counts      10 of 50 cells (cell 41, cell 42, cell 43, …)
    genes with counts     80 of 80, by var_names and var_names
    genes without counts  0
    same cells            100% of cells fit best to their own counts (by X)
    """
    check_adata(adata)
    present = [name for name in TOTALS if name in adata.layers]
    if present:
        msg = f"adata already has layers {listed(present)}; delete them first to replace them."
        raise ValueError(msg)
    named = list(counts) if isinstance(counts, Mapping) else []
    if isinstance(counts, Mapping):
        counts = joined_samples(counts)
    check_adata(counts)
    for name in TOTALS:
        check_counts(counts, name)
    if barcode_map is not None and not isinstance(barcode_map, Mapping):
        barcode_map = read_barcode_map(barcode_map)
    if barcode_map is None:
        found = _matched_cells(adata, counts, sample_key, named, min_overlap)
    else:
        found = match_by_map(adata.obs_names, counts.obs_names, barcode_map)
    cells = found.place
    matched = cells >= 0
    _check_overlap(adata, counts, found, min_overlap)
    genes, genes_by, doubled = _matched_genes(adata, counts)
    layers = {name: placed(layer, cells, genes) for name, layer in _layers(counts).items()}
    totals = {kind: np.where(matched, cell_totals(counts, kind)[cells], 0.0) for kind in TOTALS}
    agreed = agreement(adata, layers, matched, found.samples)
    _check_agreement(agreed, min_agreement)
    report = AttachReport(
        adata.n_obs,
        int(matched.sum()),
        counts.n_obs,
        found.how,
        genes_by,
        tuple(map(str, adata.obs_names[~matched])),
        tuple(map(str, np.delete(counts.obs_names, cells[matched]))),
        adata.n_vars,
        int((genes >= 0).sum()),
        tuple(map(str, adata.var_names[genes < 0])),
        doubled,
        agreed,
    )

    writable(adata)
    for name, layer in layers.items():
        adata.layers[name] = layer
    for kind, total in totals.items():
        adata.obs[TOTALS[kind].of()] = total
    _keys.COUNTS_ATTACHED.write(adata, matched)
    _keys.GENES_ATTACHED.write(adata, genes >= 0)
    _keys.ATTACHED.write(adata, _in_numbers(report, min_overlap))
    source = _keys.IMPORT.read(counts, default=None)
    if source is not None and not _keys.IMPORT.is_in(adata):
        _keys.IMPORT.write(adata, dict(source))
    for line in str(report).splitlines():
        say(line)
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


def _matched_cells(
    adata: AnnData, counts: AnnData, sample_key: str | None, named: list[str], min_overlap: float
) -> CellMatch:
    """Match cells within the samples that the user has said, as far as they are said."""
    names = pd.Index(counts.obs[OWN_NAME]) if OWN_NAME in counts.obs else counts.obs_names
    other = None
    if SAMPLE in counts.obs:
        other = counts.obs[SAMPLE].astype(str).to_numpy(dtype=object)

    def within(column: str | None, named_by: pd.Index = adata.obs_names) -> CellMatch:
        own = None
        if column is not None:
            remedy = "give the name of the column with samples as sample_key=."
            of_cells = check_key(adata, "obs", column, remedy)
            own = np.array([None if pd.isna(g) else str(g) for g in of_cells], dtype=object)
        samples = Samples(own, other, binding=len(named) > 0)
        return match_cells(named_by, names, samples, min_overlap=min_overlap)

    if sample_key is None:
        for column in _columns_with(adata, named):
            match = within(column)
            groups = adata.obs[column].astype(str).map(letters).to_numpy()
            shares = [(match.place[groups == letters(name)] >= 0).mean() for name in named]
            # clusters may have the names of samples by chance, but not their cells
            if min(shares) >= _OF_SAMPLE:
                say(f"samples: obs[{column!r}]; name another column as sample_key=")
                return match
    match = within(sample_key)
    if not (match.place >= 0).any():
        # some programs number the cells, and keep their names in a column
        for column, values in _columns_of_names(adata).items():
            other = within(sample_key, values)
            if (other.place >= 0).mean() >= _OF_SAMPLE:
                return other._replace(how=f"obs[{column!r}], {other.how}")
    return match


def _columns_of_names(adata: AnnData) -> dict[str, pd.Index]:
    """Return the columns of `obs` with a different text for nearly every cell."""
    found = {}
    for name in adata.obs:
        column = adata.obs[name]
        if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind == "O":
            values = pd.Index(column.astype(str))
            if values.nunique() >= _OF_SAMPLE * len(values):
                found[str(name)] = values
    return found


def _columns_with(adata: AnnData, samples: list[str]) -> list[str]:
    """Return the columns of `obs` that have all of these samples, each with any barcode once."""
    wanted = set(map(letters, samples))
    barcodes = split_names(adata.obs_names).barcodes
    found = []
    for name in adata.obs if wanted else ():
        column = adata.obs[name]
        if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind == "O":
            pairs = pd.DataFrame({"sample": column.to_numpy(), "barcode": barcodes}).dropna()
            values = set(map(letters, pairs["sample"].unique()))
            found += [str(name)] if wanted <= values and not pairs.duplicated().any() else []
    return found


def _check_overlap(adata: AnnData, counts: AnnData, found: CellMatch, min_overlap: float) -> None:
    """Refuse counts in which too few cells are found."""
    matched = found.place >= 0
    if matched.mean() < min_overlap:
        msg = (
            f"{matched.sum():,} of {adata.n_obs:,} cells ({matched.mean():.0%}) were found in the "
            f"counts by {found.how}, fewer than min_overlap={min_overlap:g}. Unmatched cells of "
            f"adata are {listed(adata.obs_names[~matched], 3)}; cells of the counts are "
            f"{listed(counts.obs_names, 3)}. If these are the same cells, give barcode_map= or "
            "sample_key=; if some of the cells have no counts, a smaller min_overlap=."
        )
        raise ValueError(msg)


def _check_agreement(agreed: Agreement, least: float) -> None:
    """Refuse counts of other cells."""
    if agreed.says_other_cells(least):
        msg = (
            f"these do not seem to be the counts of these cells: {agreed}; at least "
            f"min_agreement={least:g} is expected, and 0.17 of the counts of other cells. Samples "
            "often have the same barcodes: give the counts of each sample by its name, with "
            "sample_key=. With min_agreement=0 they are attached all the same."
        )
        raise ValueError(msg)


def _matched_genes(adata: AnnData, counts: AnnData) -> GeneMatch:
    """Match genes; refuse counts in which none is found, and warn of those that are not found."""
    match = match_genes(adata, counts)
    found = match.place >= 0
    if not found.any():
        msg = (
            f"no gene was found in the counts: genes of adata are {listed(adata.var_names, 3)}, "
            f"genes of the counts are {listed(counts.var_names, 3)}. Store the ids of the genes in "
            "var['gene_id'] of both."
        )
        raise ValueError(msg)
    if match.doubled:
        warn(
            f"{len(match.doubled):,} genes of adata get no counts, because several genes have "
            f"their names ({listed(match.doubled, 4)}); store ids in var['gene_id'] of both tables "
            "to match them."
        )
    if found.mean() < _FEW_GENES:
        warn(
            f"only {int(found.sum()):,} of {adata.n_vars:,} genes were found in the counts, by "
            f"{match.how}; check that var['gene_id'] has the same kind of ids in both."
        )
    return match


def _examples(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return " (" + ", ".join(names[:3]) + (", …)" if len(names) > 3 else ")")
