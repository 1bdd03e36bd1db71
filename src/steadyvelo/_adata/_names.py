"""Names of genes and cells that a user gives; a name that is not there is explained."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys

from ._checks import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["cell_places", "gene_places"]

# names that are explained in one message
_MOST = 3


def gene_places(
    adata: AnnData, names: str | Sequence[str], argument: str = "genes", key: str = "velocity"
) -> NDArray[np.intp]:
    """Return the places of genes; refuse an empty list, and explain names that are not there."""
    return _places(adata, names, argument, adata.var_names, lambda name: _gene(adata, name, key))


def cell_places(
    adata: AnnData, names: str | Sequence[str], argument: str = "cells"
) -> NDArray[np.intp]:
    """Return the places of cells; refuse an empty list, and explain names that are not there."""
    return _places(adata, names, argument, adata.obs_names, lambda name: _cell(adata, name))


def _places(
    adata: AnnData,
    names: str | Sequence[str],
    argument: str,
    index: pd.Index,
    explain: Callable[[str], str],
) -> NDArray[np.intp]:
    wanted = [names] if isinstance(names, str) else [str(name) for name in names]
    kind = "gene" if index is adata.var_names else "cell"
    if not wanted:
        msg = f"{argument} is empty; name at least one {kind}."
        raise KeyError(msg)
    places = index.get_indexer(wanted)
    unknown = [name for name, place in zip(wanted, places, strict=True) if place < 0]
    if unknown:
        said = [explain(name) for name in unknown[:_MOST]]
        more = f" and {len(unknown) - _MOST} more" if len(unknown) > _MOST else ""
        msg = f"{argument} has names that are no {kind}s of adata: {'; '.join(said)}{more}."
        raise KeyError(msg)
    return np.asarray(places, dtype=np.intp)


def _gene(adata: AnnData, name: str, key: str) -> str:
    table = _keys.ALL_GENES.read(adata, key, default=None)
    if table is not None and name in table.index:
        reason = str(table.loc[name, _keys.GENES_REASON.of()])
        return (
            f"{name!r} was left out by the run ({reason}); keep it by retain=[{name!r}] "
            f"(--retain {name})"
        )
    elsewhere = _elsewhere(adata, name, {"cell": adata.obs_names}, "obs")
    if elsewhere:
        return elsewhere
    for column in adata.var:
        values = adata.var[column]
        if values.dtype.kind in "OT" or str(values.dtype) in {"category", "string", "str"}:
            same = values.astype(str).to_numpy() == name
            if same.any():
                own = str(adata.var_names[same][0])
                return f"{name!r} is in var[{str(column)!r}]; the name of this gene is {own!r}"
    others = adata.var_names if table is None else adata.var_names.union(table.index)
    return _nearest(name, others)


def _cell(adata: AnnData, name: str) -> str:
    elsewhere = _elsewhere(adata, name, {"gene": adata.var_names}, "obs")
    if elsewhere:
        return elsewhere
    for column in adata.obs:
        values = adata.obs[column]
        # names of clusters are often given for cells
        if str(values.dtype) == "category" and name in set(map(str, values.cat.categories)):
            return f"{name!r} is a value of obs[{str(column)!r}], not a cell"
    return _nearest(name, adata.obs_names)


def _elsewhere(adata: AnnData, name: str, others: dict[str, pd.Index], slot: str) -> str:
    """Return what a name is, if it is the name of something else."""
    for kind, index in others.items():
        if name in index:
            return f"{name!r} is the name of a {kind}"
    if name in getattr(adata, slot):
        return f"{name!r} is a column of {slot}"
    return ""


def _nearest(name: str, index: pd.Index) -> str:
    """Return a name with the most similar one that is there."""
    texts = [str(other) for other in index]
    lower = name.lower()
    same = next((other for other in texts if other.lower() == lower), None)
    alike = [same] if same else get_close_matches(name, texts, n=1, cutoff=0.75)
    return f"{name!r}, perhaps {alike[0]!r} is meant" if alike else listed([name])
