"""Are supported directions right if the model is wrong?

    python benchmarks/wrong_models --sets 10
    python benchmarks/wrong_models --sets 50 --conditions static-types static-doublets

Data sets are simulated by integration of the kinetics, with rates that may depend on time and
branch, noise that modules of genes share, and bursts; or they are populations that do not change.
Each gets the verdicts of `steadyvelo.run`. For every condition, the table counts the clusters by
verdict, and by the angle between their arrow and the true direction on the embedding: right (below
60°), across, or reversed (above 120°). Populations that do not change have no right direction.

A second table counts, for every model check, the velocity genes or clusters that it flags: among
those with the fault that it looks for, and among those without it (between the two is neither).
The faults are, for "boost" and "one cluster", a ratio of the upper extreme cells that is more than
1.3 times their γ/β (none: less than 1.1); for "few molecules", a fitted γ that differs by this
factor from the ratio of the upper extreme cells without noise; for "growth", spliced mRNA that
grows by .06 β faster or slower than in the mean of all clusters (none: .03).

All random draws of a data set are children of one SeedSequence of its number and its condition.
Numbers from 1000 on were used to choose thresholds; report others.
"""

from __future__ import annotations

import argparse
import warnings
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _cells import Condition, Noise, cells_of
from _checks import checked, simulated, summary
from _kinetics import Rates

import steadyvelo as sv

if TYPE_CHECKING:
    import anndata as ad

CONDITIONS = {
    "true": Condition(),
    "boosts-10": Condition(Rates(boosted=0.1)),
    "boosts-30": Condition(Rates(boosted=0.3)),
    "boosts-90": Condition(Rates(boosted=0.9)),
    "gamma-changes": Condition(Rates(gamma_changes=0.7)),
    "beta-changes": Condition(Rates(beta_changes=0.7)),
    "induction": Condition(Rates(switches=("on",))),
    "repression": Condition(Rates(switches=("off",))),
    "growth": Condition(Rates(growth=3.0)),
    "late-growth": Condition(Rates(growth=3.0, grows_from=0.6)),
    "batches": Condition(noise=Noise(batches=0.4)),
    "ambient": Condition(noise=Noise(ambient=0.15)),
    "500-molecules": Condition(noise=Noise(molecules=500)),
    "capture": Condition(noise=Noise(capture=0.3)),
    "capture-rises": Condition(noise=Noise(capture_drift=2.0)),
    "capture-falls": Condition(noise=Noise(capture_drift=0.5)),
    "growth-induction": Condition(Rates(switches=("on",), growth=3.0)),
    "static-capture": Condition(noise=Noise(capture_drift=4.0), static="gradients"),
    "100-molecules": Condition(noise=Noise(molecules=100)),
    **{
        f"static-{kind}-{round(100 * share)}": Condition(static=kind, differing=share)
        for kind in ("types", "doublets", "gradients")
        for share in (0.3, 0.6)
    },
}
# cells of `datasets.simulate`, for the model checks only
SIMULATE = "datasets.simulate"
VERDICTS = ["supported", "weak", "contradicted", "not supported"]


def analysed(name: str, number: int, size_factors: str) -> tuple[ad.AnnData, ad.AnnData]:
    """Return one data set with the truth, and its result."""
    sequence = np.random.SeedSequence([number, zlib.crc32(name.encode())])
    simulation, analysis = sequence.spawn(2)
    if name == SIMULATE:
        adata, basis = simulated(int(simulation.generate_state(1)[0])), "pca"
    else:
        adata, basis = cells_of(CONDITIONS[name], simulation), "map"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sv.SteadyveloWarning)
        result = sv.run(
            adata,
            groupby="clusters",
            basis=basis,
            size_factors=size_factors,
            rng=int(analysis.generate_state(1)[0]),
            force=True,
        )
    return adata, result


def judged(adata: ad.AnnData, result: ad.AnnData) -> pd.DataFrame:
    """Return a row per cluster: verdict, statistics, and how the arrow lies."""
    table = sv.get.verdicts(result)
    arrows, truth = table[["arrow_1", "arrow_2"]].to_numpy(), adata.uns["truth"]
    lies = []
    for cluster, arrow in zip(table.index, arrows, strict=True):
        if cluster not in truth:
            lies.append("no direction")
            continue
        ahead = truth[cluster]
        cosine = arrow @ ahead / (np.linalg.norm(arrow) * np.linalg.norm(ahead))
        lies.append("right" if cosine > 0.5 else "reversed" if cosine < -0.5 else "across")
    columns = ["verdict", "p_holm", "retest_t", "retest_z", "reason"]
    found = table[columns].assign(lies=lies)
    if "gamma" in adata.var:
        used = result.var["velocity_genes"]
        error = np.log(result.var["velocity_gamma"] / adata.var["gamma"].reindex(used.index))[used]
        # a common factor of all ratios changes no direction
        spread = 1.4826 * (error - error.median()).abs().median()
        found = found.assign(ratio_bias=error.median(), ratio_sd=spread)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=10)
    parser.add_argument("--start", type=int, default=0)
    known = [*CONDITIONS, SIMULATE]
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=known)
    parser.add_argument("--size-factors", default="per_layer", choices=["per_layer", "common"])
    parser.add_argument("--out", help="csv file for the rows of all clusters")
    options = parser.parse_args()
    sv.settings.verbosity = 0
    found = []
    for name in options.conditions:
        verdicts, checks = [], []
        for number in range(options.start, options.start + options.sets):
            adata, result = analysed(name, number, options.size_factors)
            if name != SIMULATE:
                verdicts.append(judged(adata, result).assign(condition=name, number=number))
            checks.append(checked(result, adata))
        found += verdicts
        if verdicts:
            rows = pd.concat(verdicts)
            counts = pd.crosstab(rows["lies"], rows["verdict"].astype(str))
            print(f"\n{name}: {len(rows)} clusters")
            print(counts.reindex(columns=VERDICTS, fill_value=0).to_string())
        sound = sum((rows["model"] == "ok").all() for rows in checks)
        print(f"\n{name}: model checks; “ok” in {sound} of {len(checks)} data sets")
        print(summary(pd.concat(checks)).round(3).to_string(), flush=True)
        if options.out and found:
            pd.concat(found).to_csv(options.out)


if __name__ == "__main__":
    main()
