"""Which gene of one table is which of another, by id or by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["match_genes"]

_COLUMNS = ("gene_id", "gene_ids", "ensembl_id", "Accession", "gene_name", "gene_names", "Gene")
_VERSION = re.compile(r"\.\d+$")


def match_genes(adata: AnnData, counts: AnnData) -> tuple[NDArray[np.int64], str]:
    """Return for every gene of the first its place in the second or −1, and what was compared.

    Names and columns of ids are compared with each other, ids with and without their version;
    the pair that finds most genes is taken. A label that stands twice in the counts is not
    used: it does not say which gene is meant.
    """
    found = {}
    for own_name, own in _labels(adata).items():
        for other_name, other in _labels(counts).items():
            usable = other[~other.duplicated(keep=False)]
            places = pd.Series(usable.index, index=usable.to_numpy())
            place = own.map(places).fillna(-1).to_numpy(dtype=np.int64)
            found[f"{own_name} and {other_name}"] = place
    how = max(found, key=lambda pair: (found[pair] >= 0).sum())
    return found[how], how


def _labels(adata: AnnData) -> dict[str, pd.Series]:
    labels = {"var_names": pd.Series(adata.var_names.astype(str))}
    for column in _COLUMNS:
        if column in adata.var:
            labels[column] = adata.var[column].astype(str).reset_index(drop=True)
    for name, series in list(labels.items()):
        if series.str.startswith("ENS").mean() > 0.5:
            labels[f"{name} without version"] = series.str.replace(_VERSION, "", regex=True)
    return labels
