"""Which genes carry the arrow of a cluster."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["carrying_genes"]

# genes that are named
_NAMED = 3
# an arrow rests on one gene if its share is larger
_ALONE = 2 / 3


def carrying_genes(contributions: pd.DataFrame) -> pd.DataFrame:
    r"""Summarise the contributions of genes to the arrow of each cluster.

    `contributions` has a row for each ``cluster`` and ``gene`` with the ``share`` of the arrow
    :math:`s_g` and the mean ``velocity``. The result has a row per cluster and the columns

    - ``effective_genes``: :math:`(\sum_g |s_g|)^2 / \sum_g s_g^2`;
    - ``genes``: the genes with the largest shares, and these;
    - ``only_gene``: the gene with more than two thirds of the arrow, or an empty text;
    - ``rising``: share of the arrow from genes with a positive velocity in the cluster.
    """
    rows = {}
    for cluster, part in contributions.groupby("cluster", sort=False, observed=False):
        share = part["share"].to_numpy()
        if not np.isfinite(share).any() or not np.any(share):
            rows[cluster] = (np.nan, "", "", np.nan)
            continue
        order = np.argsort(-np.abs(share), kind="stable")[:_NAMED]
        names = part["gene"].to_numpy()[order]
        named = ", ".join(f"{n} {x:.0%}" for n, x in zip(names, share[order], strict=True))
        rows[cluster] = (
            np.abs(share).sum() ** 2 / (share**2).sum(),
            named,
            str(names[0]) if share[order[0]] > _ALONE else "",
            share[part["velocity"].to_numpy() > 0].sum(),
        )
    columns = ["effective_genes", "genes", "only_gene", "rising"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.rename_axis("cluster")
