"""Join the counts of several samples into one table, by the ids of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, check_counts, listed
from steadyvelo._log import say

from ._layers import TOTALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

__all__ = ["OWN_NAME", "SAMPLE", "joined_samples"]

# columns with each cell's sample, and its name in the table of this sample
SAMPLE, OWN_NAME = "sample", "name_in_sample"
_ID = "gene_id"


def joined_samples(counts: Mapping[str, AnnData]) -> AnnData:
    """Return the counts of several samples as one table, with the genes that all of them have."""
    if not counts:
        msg = "counts is an empty mapping; give one AnnData per sample."
        raise ValueError(msg)
    for table in counts.values():
        check_adata(table)
        for layer in TOTALS:
            check_counts(table, layer)
    both = _keys.AMBIGUOUS.of()
    without = [name for name, table in counts.items() if both not in table.layers]
    kinds = [*TOTALS] if without else [*TOTALS, both]
    if without and len(without) < len(counts):
        say(f"ambiguous molecules are left out, because samples {listed(without, 4)} have none")
    genes = _common_genes(counts)
    tables = {}
    for name, table in counts.items():
        layers = {
            layer: sp.csr_matrix(sp.csc_matrix(table.layers[layer])[:, genes[name]])
            for layer in kinds
        }
        totals = [column for column in table.obs if column.startswith("n_counts_")]
        lean = anndata.AnnData(
            obs=table.obs[totals].copy(), var=table.var.iloc[genes[name]], layers=layers
        )
        first = next(iter(tables.values()), lean)
        lean.var_names = first.var_names
        lean.obs[OWN_NAME] = table.obs_names
        lean.obs_names = [f"{name}:{cell}" for cell in table.obs_names]
        tables[name] = lean
    whole = anndata.concat(tables, label=SAMPLE, merge="same")
    entry = _keys.IMPORT.read(next(iter(counts.values())), default=None)
    if entry is not None:
        _keys.IMPORT.write(whole, dict(entry))
    return whole


def _common_genes(counts: Mapping[str, AnnData]) -> dict[str, np.ndarray]:
    """Return the places of the genes that all samples have, in the order of the first sample."""
    by_id = all(_ID in table.var and table.var[_ID].is_unique for table in counts.values())
    labels = {
        name: pd.Index(table.var[_ID] if by_id else table.var_names).astype(str)
        for name, table in counts.items()
    }
    first = next(iter(labels.values()))
    common = first[np.all([first.isin(other) for other in labels.values()], axis=0)]
    how = "ids" if by_id else "names"
    if len(common) == 0:
        msg = (
            f"the samples have no gene in common by {how}: "
            + "; ".join(f"{name!r} has {listed(index, 2)}" for name, index in labels.items())
            + "; count all samples with the same annotation. Files of one sample, such as one for "
            "each chromosome, are joined if you give the folder that has them."
        )
        raise ValueError(msg)
    everywhere = pd.Index([]).append([*labels.values()]).unique()
    if len(everywhere) > len(common):
        some = everywhere[~everywhere.isin(common)]
        say(
            f"samples have different genes: {len(common):,} that all have are joined by {how}, "
            f"{len(some):,} that only some have are left out ({listed(some, 4)})"
        )
    return {name: index.get_indexer(common) for name, index in labels.items()}
