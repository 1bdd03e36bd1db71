"""What the model checks find, beside what is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _cells import of_genes

import steadyvelo as sv

if TYPE_CHECKING:
    import anndata as ad

# the ratio of the upper cells is wrong, or right, or between the two
_WRONG, _RIGHT = 1.3, 1.1
# the same for the growth of a cluster, in units of β, relative to the mean of all clusters
_GROWS, _DOES_NOT = 0.06, 0.03


def simulated(seed: int) -> ad.AnnData:
    """Cells of `datasets.simulate`, with the truth of :func:`_cells.cells_of`."""
    adata = sv.datasets.simulate(n_cells=1_500, n_genes=400, rng=seed)
    s, u = (np.asarray(adata.layers[f"true_{name}"]) for name in ("spliced", "unspliced"))
    ratio = np.broadcast_to(adata.var["true_gamma"].to_numpy(), s.shape)
    for name, values in of_genes(u, s, ratio).items():
        adata.var[name] = values
    adata.var["boosted"] = False
    change = np.asarray(adata.layers["true_velocity"]).sum(axis=1) / s.sum(axis=1)
    grows = pd.Series(change, index=adata.obs_names).groupby(adata.obs["clusters"], observed=True)
    adata.uns["grows"] = grows.mean().to_dict()
    return adata


def checked(result: ad.AnnData, truth: ad.AnnData) -> pd.DataFrame:
    """Return a row for each velocity gene, or cluster, and check.

    ``fault`` is 1 if there is what the check looks for, 0 if there is not, and missing between the
    two; ``flagged`` is whether the check fails.
    """
    var = result.var[result.var["velocity_genes"]]
    known = truth.var.loc[var.index]
    fails = var["velocity_model"].astype(str).str.split("; ")
    error = np.log(var["velocity_gamma"] / known["upper_ratio"])
    # size factors of the layers change all ratios alike
    error = np.exp(np.abs(error - error.median()))
    size = {"boost": known["too_large"], "one cluster": known["too_large"], "few molecules": error}
    rows = [
        pd.DataFrame(
            {
                "check": check,
                "fault": _fault(by, _RIGHT, _WRONG),
                "boosted": known["boosted"].to_numpy(),
                "flagged": [check in names for names in fails],
            }
        )
        for check, by in size.items()
    ]
    table = sv.get.verdicts(result)
    grows = pd.Series(truth.uns["grows"]).reindex(table.index.astype(str))
    named = sv.get.reliability_checks(result).loc["growth", "reason"]
    rows.append(
        pd.DataFrame(
            {
                "check": "growth",
                "fault": _fault((grows - grows.mean()).abs(), _DOES_NOT, _GROWS),
                "boosted": False,
                "flagged": [f"{name} (" in named for name in grows.index],
            }
        )
    )
    of_data = sv.get.reliability_checks(result).loc["steady-state model", "verdict"]
    return pd.concat(rows).assign(model=of_data)


def _fault(size: pd.Series, right: float, wrong: float) -> np.ndarray:
    size = size.to_numpy()
    return np.where(size > wrong, 1.0, np.where(size < right, 0.0, np.nan))


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the shares that are flagged, of those with the fault and of those without."""
    found = {}
    for check, part in rows.groupby("check", sort=False):
        faulty, others = part[part["fault"] == 1], part[part["fault"] == 0]
        found[check] = {
            "faulty": len(faulty),
            "flagged": faulty["flagged"].mean(),
            "without": len(others),
            "flagged without": others["flagged"].mean(),
            "all flagged": part["flagged"].mean(),
        }
        if part["boosted"].any():
            boosted = faulty[faulty["boosted"]]
            found[check] |= {"boosted": len(boosted), "flagged boosted": boosted["flagged"].mean()}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("check")
