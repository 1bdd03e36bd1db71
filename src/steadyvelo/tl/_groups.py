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
    adata: AnnData, groupby: str, groups: Sequence[str] | None
) -> dict[str, NDArray[np.bool_]]:
    """Return the cells of each group; refuse groups that are not there, and fewer than two."""
    column = check_key(adata, "obs", groupby, "name the column that holds the groups.")
    labels = column[column.notna()].astype(str).reindex(adata.obs_names)
    there = [str(name) for name in pd.Categorical(labels).categories]
    names = there if groups is None else [str(name) for name in groups]
    unknown = [name for name in names if name not in there]
    if unknown:
        msg = f"groups {listed(unknown)} are not in obs[{groupby!r}], which has {listed(there)}."
        raise KeyError(msg)
    if len(names) < 2:
        msg = f"{len(names)} group of obs[{groupby!r}] cannot be compared; name two or more."
        raise ValueError(msg)
    return {name: (labels == name).to_numpy() for name in names}
