"""The graph of clusters that is stored in an AnnData, under the names that clusters have today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from steadyvelo import _keys

from ._fingerprints import names_today
from ._fit_params import made_entry

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["StoredFlows"]


@dataclass(frozen=True, eq=False)
class StoredFlows:
    """Flows between clusters, the clusters, and each cell's place among them, −1 for none.

    `scale` is λ of the probabilities.
    """

    table: pd.DataFrame
    names: list[str]
    codes: NDArray[np.int32]
    groupby: str
    scale: float

    @classmethod
    def read(cls, adata: AnnData, key: str) -> Self:
        """Read the result; refuse if there is none, or if cells have changed their clusters."""
        made = _keys.PARAMS.read(adata, key, default={}).get("cluster_graph", {})
        groupby = str(made.get("groupby", "..."))
        rerun = f"tl.cluster_graph(adata, {groupby if groupby == '...' else repr(groupby)})"
        made = made_entry(adata, key, "cluster_graph", rerun)
        remedy = f"run {rerun} first."
        table = _keys.CLUSTER_GRAPH.read(adata, key, remedy=remedy)
        codes = _keys.FLOW_CLUSTERS.read(adata, key, remedy=remedy).to_numpy()
        names = [str(name) for name in made["clusters"]]
        if groupby in adata.obs:
            today = names_today(adata, groupby, codes, names, "flows were computed", rerun)
        else:
            today = dict(zip(names, names, strict=True))
        renamed = table.assign(
            **{end: table[end].astype(str).map(today) for end in ("source", "target")}
        )
        return cls(renamed, list(today.values()), codes, groupby, float(made["scale"]))

    @property
    def one_way(self) -> pd.DataFrame:
        """One row for each pair, in the direction of its net flow, smallest p-values first."""
        rows = self.table[self.table["net"] > 0]
        return rows.sort_values(["p", "net"], ascending=[True, False], kind="stable")

    def is_supported(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which of some rows have a net flow that is supported."""
        return (rows["verdict"] == "supported").to_numpy(dtype=bool)
