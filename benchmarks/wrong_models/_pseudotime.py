"""Does a pseudotime know its start?"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import spearmanr

import steadyvelo as sv

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd


def oriented(adata: ad.AnnData, seed: int) -> dict[str, object]:
    """Return the test of the orientation of one data set, and how the pseudotime really runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sv.SteadyveloWarning)
        sv.pp.size_factors(adata)
        sv.pp.filter_genes(adata, min_shared_counts=20, subset=True)
        sv.pp.neighbors(adata, rng=seed)
        sv.tl.velocity(adata, uncertainty="crossfit", rng=seed)
        sv.tl.velocity_graph(adata)
        sv.tl.velocity_pseudotime(adata, rng=seed)
    found = sv.get.pseudotime_orientation(adata)
    time, truth = (adata.obs[name].to_numpy() for name in ("velocity_pseudotime", "time"))
    known = np.isfinite(time)
    moves = len(adata.uns["truth"]) > 0
    agreement = spearmanr(time[known], truth[known]).statistic if moves else np.nan
    return {**found.encode(), "turned": "exchanged" in found.reason, "agreement": agreement}


def counted(name: str, rows: pd.DataFrame) -> str:
    """Return a line of the table of a condition."""
    determined = rows["verdict"] == "determined"
    right = determined & (rows["agreement"] > 0)
    moves = rows["agreement"].notna().any()
    return (
        f"| {name} | {(rows['p'] < 0.05).sum()} of {len(rows)} | {determined.sum()} of {len(rows)} "
        f"| {f'{right.sum()} of {determined.sum()}' if moves else ''} "
        f"| {rows['retest_t'].min():.1f} to {rows['retest_t'].max():.1f} "
        f"| {rows['retest_z'].min():.1f} to {rows['retest_z'].max():.1f} | {rows['turned'].sum()} |"
    )
