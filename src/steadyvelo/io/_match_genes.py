"""Match the genes of two tables by id or by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["match_genes"]

_ID_COLUMNS = ("gene_id", "gene_ids", "ensembl_id", "Accession", "ids in var_names")
_IDS = (*_ID_COLUMNS, *(f"{name} without version" for name in _ID_COLUMNS))
_NAMES = ("gene_name", "gene_names", "Gene")
# names are used instead of ids if they match this many times more genes
_CLEARLY = 1.2
_VERSION = re.compile(r"\.\d+$")


def match_genes(adata: AnnData, counts: AnnData) -> tuple[NDArray[np.int64], str]:
    """Return each gene's place in the second table, or −1, and the labels that were compared.

    Ids, with or without their version, are preferred to names; names are used only if they match
    clearly more genes. A label that occurs twice in either table is not used, because it is
    ambiguous.
    """
    found = {}
    for own_name, own in _labels(adata).items():
        for other_name, other in _labels(counts).items():
            places = pd.Series(other.index, index=other.to_numpy())
            place = np.full(adata.n_vars, -1)
            place[own.index] = own.map(places).fillna(-1).to_numpy(dtype=np.int64)
            ids = own_name in _IDS and other_name in _IDS
            found[f"{own_name} and {other_name}"] = (place, ids)

    def worth(pair: str) -> float:
        place, ids = found[pair]
        return float((place >= 0).sum()) * (_CLEARLY if ids else 1.0)

    how = max(found, key=worth)
    return found[how][0], how


def _labels(adata: AnnData) -> dict[str, pd.Series]:
    """Return the labels of genes by kind; missing and repeated labels are left out."""
    labels = {"var_names": pd.Series(adata.var_names)}
    for column in (*_IDS, *_NAMES):
        if column in adata.var:
            labels[column] = adata.var[column].reset_index(drop=True)
    labels = {name: series[series.notna()].astype(str) for name, series in labels.items()}
    if labels["var_names"].str.startswith("ENS").mean() > 0.5:
        labels["ids in var_names"] = labels.pop("var_names")
    for name, series in list(labels.items()):
        if series.str.startswith("ENS").mean() > 0.5:
            labels[f"{name} without version"] = series.str.replace(_VERSION, "", regex=True)
    usable = {}
    for name, series in labels.items():
        usable[name] = series[(series != "") & ~series.duplicated(keep=False)]
    return usable
