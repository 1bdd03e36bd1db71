"""Quality checks of the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._ambiguous import separate_ambiguous
from steadyvelo._adata._checks import (
    canonical_rows,
    check_adata,
    check_counts,
    check_key,
    writable,
)
from steadyvelo._adata._groups import grouping_column
from steadyvelo._adata._kind_of_counts import is_normalised
from steadyvelo._adata._provenance import stamp
from steadyvelo._arguments import public
from steadyvelo._log import done

from ._cell_sizes import Doubt, cell_sizes, selected_genes
from ._qc_checks import checks_of
from ._qc_counts import Counts

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["check_lines", "qc"]


@public
def qc(
    adata: AnnData,
    *,
    groupby: str | None = None,
    spliced_size: str | None = None,
    unspliced_size: str | None = None,
    counts: Literal["auto", "raw", "normalised"] = "auto",
    spliced: str = "spliced",
    unspliced: str = "unspliced",
) -> None:
    """Check the quality of the counts before the fit.

    The checks ask whether the two layers differ, whether counts are raw, whether layers are
    swapped, whether cells are nuclei, whether cells are copies or empty, how many genes can be
    used, whether there are enough molecules, and whether library sizes are those of selected genes
    only. With `groupby` a further check asks whether groups have similar shares of unspliced
    molecules.

    Parameters
    ----------
    adata
        Cells × genes with counts in two layers.
    groupby
        Column of ``obs`` with clusters or samples whose shares of unspliced molecules are compared;
        None leaves out this check.
    spliced_size, unspliced_size
        Columns of ``obs`` with library sizes, which :func:`steadyvelo.pp.size_factors` will use.
    counts
        Whether the layers are raw; see :func:`steadyvelo.pp.size_factors`.
    spliced, unspliced
        Names of the layers.

    Returns
    -------
    None. Sets:

    ``uns["qc"]``
        One row per check, which :func:`steadyvelo.get.quality_checks` reads.
    ``uns["qc_params"]``
        `groupby`, the version and the cells.
    ``uns["qc_proportions"]``
        Molecules and proportions, for all cells and per group; :func:`steadyvelo.get.proportions`
        reads them.

    Raises
    ------
    KeyError
        If a layer or a column is missing.
    ValueError
        If counts are negative or not finite, or a layer has no counts.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=100, n_genes=80, depth=2)
    >>> sv.pp.qc(adata)
    >>> set(sv.get.quality_checks(adata)["verdict"])
    {'ok'}
    """
    check_adata(adata)
    layers = [canonical_rows(check_counts(adata, name)) for name in (spliced, unspliced)]
    groups = None
    if groupby is not None:
        remedy = "give a column of clusters or samples."
        column = grouping_column(adata, "groupby", groupby, remedy)
        groups = column.astype(str).astype("category")
    summed = {}
    for kind, name, layer, size in (
        ("spliced", spliced, layers[0], spliced_size),
        ("unspliced", unspliced, layers[1], unspliced_size),
    ):
        if size is not None:
            check_key(adata, "obs", size, "give a column with library sizes.")
        elif counts == "raw" or (counts == "auto" and not is_normalised(layer)):
            summed[kind] = (name, layer)
    both = separate_ambiguous(adata)
    columns = {"spliced": spliced_size, "unspliced": unspliced_size}
    said = {
        kind: counts == "normalised"
        for kind, column in columns.items()
        if counts != "auto" or column is not None
    }
    checked = Counts(
        *layers,
        ambiguous=None if both is None else sp.csr_array(both),
        cells=adata.obs_names,
        genes=_gene_names(adata),
        groups=groups,
        doubt=_doubtful_sizes(adata, summed),
        taken_as=said,
    )
    if _keys.COUNTS_ATTACHED.is_in(adata):
        # cells without attached counts are known to be empty
        checked = checked.of_cells(_keys.COUNTS_ATTACHED.values(adata))
    findings = checks_of(checked)
    table = pd.DataFrame(findings.values(), index=pd.Index(findings, name="check"))
    proportions = _proportions(checked)
    writable(adata)
    _keys.QC_PARAMS.write(adata, {"groupby": groupby or "", **stamp(adata)})
    _keys.QC.write(adata, table)
    _keys.QC_PROPORTIONS.write(adata, proportions)
    lines = check_lines(table) + ([] if groupby is None else _proportion_lines(proportions))
    for line in lines:
        done(line)


def check_lines(table: pd.DataFrame) -> list[str]:
    """Return a line per quality check: verdict, reason and, after a dash, the remedy."""
    return [
        f"{row.verdict:<10}{row.Index:<18}{row.reason}" + (f" — {row.remedy}" if row.remedy else "")
        for row in table.itertuples()
    ]


def _proportion_lines(table: pd.DataFrame) -> list[str]:
    """Return a line per group: its cells and its share of unspliced molecules."""
    return [
        f"     {name:<24}{row.n_cells:>8,.0f} cells  {row.unspliced_share:>6.1%} unspliced"
        for name, row in table.iterrows()
    ]


def _gene_names(adata: AnnData) -> pd.Index:
    """Return names of genes, from a column of `var` if the index contains ids."""
    if adata.var_names.str.startswith("ENS").mean() > 0.5:
        for column in _keys.GENE_NAME_COLUMNS:
            if column in adata.var:
                return pd.Index(adata.var[column].astype(str))
    return adata.var_names


def _doubtful_sizes(adata: AnnData, layers: dict[str, tuple[str, Any]]) -> Doubt | None:
    """Return a problem of the library sizes of layers, or None; `layers` are names and counts."""
    try:
        found = {kind: cell_sizes(adata, kind, x, name, None) for kind, (name, x) in layers.items()}
    except (TypeError, ValueError) as error:
        # other checks may find the cause
        return Doubt(np.nan, str(error).rstrip("."), "see the results of the other checks first")
    return selected_genes(adata, found)


def _proportions(counts: Counts) -> pd.DataFrame:
    """Return molecules and proportions, for all cells and per group."""
    rows = [(*group[1:], group.unspliced_share) for group in counts.by_group()]
    names = pd.Index([group.group for group in counts.by_group()], name="group")
    columns = ["n_cells", "spliced", "unspliced", "ambiguous", "unspliced_share"]
    return pd.DataFrame(rows, index=names, columns=columns).astype({"n_cells": int})
