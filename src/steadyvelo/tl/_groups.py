"""Groups of cells that are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from steadyvelo._checks import check_key, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["group_masks"]


def group_masks(
    adata: AnnData, groupby: str, groups: str | Sequence[str] | None, *, against_rest: bool = False
) -> dict[str, NDArray[np.bool_]]:
    """Return the cells of each group; refuse groups that are not there, and fewer than two.

    Where groups are compared with all other cells, one is enough if there are others.
    """
    column = check_key(adata, "obs", groupby, "name the column that holds the groups.")
    labels = column[column.notna()].astype(str).reindex(adata.obs_names)
    there = [str(name) for name in pd.Categorical(labels).categories]
    asked = there if groups is None else [groups] if isinstance(groups, str) else groups
    names = list(dict.fromkeys(str(name) for name in asked))
    unknown = [name for name in names if name not in there]
    if unknown:
        msg = f"groups {listed(unknown)} are not in obs[{groupby!r}], which has {listed(there)}."
        raise KeyError(msg)
    if len(there if against_rest else names) < 2:
        msg = f"{len(names)} group of obs[{groupby!r}] cannot be compared; name two or more."
        raise ValueError(msg)
    return {name: (labels == name).to_numpy() for name in names}
