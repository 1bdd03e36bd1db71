"""Do borderline verdicts change, and others not, when all is computed again?"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import steadyvelo as sv

if TYPE_CHECKING:
    import anndata as ad

# of the cells, drawn for every rerun
_SHARE = 0.9


def rerun(
    adata: ad.AnnData, basis: str, seed: np.random.SeedSequence, n_reruns: int
) -> pd.DataFrame:
    """Return a row per cluster: verdict, whether it is borderline, and how many reruns differ.

    A rerun has nine tenths of the cells, and finds neighbours and folds with another seed.
    ``p_sd`` is the standard deviation of log₁₀ of the p-value over reruns.
    """
    base, *others = (
        _verdicts(adata if number == 0 else _part(adata, child), basis, child)
        for number, child in enumerate(seed.spawn(n_reruns + 1))
    )
    verdicts = pd.DataFrame({k: t["verdict"].astype(str) for k, t in enumerate(others)})
    p = pd.DataFrame({k: t["p"] for k, t in enumerate(others)}).clip(lower=1e-300)
    return pd.DataFrame(
        {
            "verdict": base["verdict"].astype(str),
            "borderline": base["borderline"],
            "differ": verdicts.ne(base["verdict"].astype(str), axis=0).sum(axis=1),
            "p_sd": np.log10(p).std(axis=1),
        }
    )


def _part(adata: ad.AnnData, seed: np.random.SeedSequence) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    chosen = rng.choice(adata.n_obs, round(_SHARE * adata.n_obs), replace=False)
    return adata[np.sort(chosen)].copy()


def _verdicts(adata: ad.AnnData, basis: str, seed: np.random.SeedSequence) -> pd.DataFrame:
    rng = int(seed.generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sv.SteadyveloWarning)
        neighbors = sv.Neighbors()
        return sv.get.verdicts(
            sv.run(adata, groupby="clusters", basis=basis, neighbors=neighbors, rng=rng, force=True)
        )


def summarised(rows: pd.DataFrame) -> str:
    """Return a line: borderline clusters, those that change, and those of them that were found."""
    changed = rows["differ"] > 0
    found = (changed & rows["borderline"]).sum()
    return (
        f"{len(rows)} clusters: {rows['borderline'].sum()} borderline; {changed.sum()} change in "
        f"at least one rerun, {found} of them borderline"
    )
