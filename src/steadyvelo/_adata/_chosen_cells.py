"""Cells that a user chooses: by their names, by their clusters, or by a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from ._checks import listed
from ._groups import cluster_codes
from ._names import cell_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["ChosenCells", "chosen_cells"]


class ChosenCells(NamedTuple):
    """The ascending places of chosen cells, and how they were chosen, for records and messages."""

    places: NDArray[np.intp]
    how: str


def chosen_cells(
    adata: AnnData,
    chosen: str | Sequence[str] | NDArray[np.bool_],
    argument: str,
    groupby: str | None = None,
) -> ChosenCells:
    """Return the cells that an argument chooses; refuse names that are not there, and no cells.

    With `groupby`, names are those of clusters, otherwise those of cells.
    """
    mask = np.asarray(chosen)
    if mask.dtype == bool:
        return _masked(adata, chosen, mask, argument)
    names = [chosen] if isinstance(chosen, str) else [str(name) for name in chosen]
    if groupby is not None and names:
        return _of_clusters(adata, names, argument, groupby)
    _explain_clusters(adata, names, argument)
    return ChosenCells(np.unique(cell_places(adata, names, argument)), listed(names, 3))


def _masked(adata: AnnData, chosen: Any, mask: NDArray[np.bool_], argument: str) -> ChosenCells:
    if mask.shape != (adata.n_obs,):
        msg = (
            f"{argument} is a mask of {len(mask):,} cells, but adata has {adata.n_obs:,}; give one "
            "value for each cell."
        )
        raise ValueError(msg)
    if isinstance(chosen, pd.Series) and not chosen.index.equals(adata.obs_names):
        msg = (
            f"{argument} is a mask whose index differs from adata.obs_names; use "
            "mask.reindex(adata.obs_names), or its values."
        )
        raise ValueError(msg)
    if not mask.any():
        msg = f"{argument} is a mask without a True value; choose at least one cell."
        raise ValueError(msg)
    return ChosenCells(np.flatnonzero(mask), f"a mask of {int(mask.sum()):,} cells")


def _of_clusters(adata: AnnData, names: list[str], argument: str, groupby: str) -> ChosenCells:
    there, codes = cluster_codes(adata, groupby, np.ones(adata.n_obs, dtype=bool))
    unknown = [name for name in names if name not in there]
    if unknown:
        msg = (
            f"{argument} has names that are no clusters: {listed(unknown)}; obs[{groupby!r}] has "
            f"{listed(there)}."
        )
        raise KeyError(msg)
    inside = np.isin(codes, [there.index(name) for name in names])
    return ChosenCells(np.flatnonzero(inside), f"{listed(names, 3)} of obs[{groupby!r}]")


def _explain_clusters(adata: AnnData, names: list[str], argument: str) -> None:
    """Refuse names of clusters that are given without their column."""
    if not names or set(names) & set(adata.obs_names):
        return
    for column in adata.obs:
        labels = adata.obs[column]
        is_category = isinstance(labels.dtype, pd.CategoricalDtype)
        if is_category and set(names) <= set(map(str, labels.cat.categories)):
            msg = (
                f"{argument} has names of clusters, {listed(names, 3)}, and not of cells; add "
                f"groupby={str(column)!r}."
            )
            raise KeyError(msg)
