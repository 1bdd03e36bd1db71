"""Are supported directions right if the model is wrong?

    python benchmarks/wrong_models --sets 10
    python benchmarks/wrong_models --sets 50 --conditions static-types-30 static-doublets-30
    python benchmarks/wrong_models --sets 10 --pseudotime
    python benchmarks/wrong_models --sets 1 --reruns 20
    python benchmarks/wrong_models --sets 20 --flows --conditions true flipped static-path
    python benchmarks/wrong_models --sets 20 --flows --folds --conditions true static-path

Data sets are simulated by integration of the kinetics, with rates that may depend on time and
branch, noise that modules of genes share, and bursts; or they are populations that do not change.
Each gets the verdicts of `steadyvelo.run`. For every condition, the table counts the clusters by
verdict, and by the angle between their arrow and the true direction on the embedding: right (below
60°), across, or reversed (above 120°). Populations that do not change have no right direction.
With --pseudotime, the table counts the pseudotimes whose orientation is determined, and those of
them that run with the true time. With --flows, it counts the pairs of clusters with a significant
net flow, tested against sign-flipped controls or by --folds of genes and cells, and their verdicts,
which need folds. The condition "flipped" has one random sign for the deviations of each cell. With
--reruns, every data set is analysed again with nine tenths of its cells and other seeds, and the
table has the verdicts that change.

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
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _checks import checked, summary
from _conditions import CONDITIONS, SIMULATE, data_set
from _flows import FLIPPED, counted_flows, flows
from _pseudotime import counted, oriented
from _reruns import rerun, summarised

import steadyvelo as sv

if TYPE_CHECKING:
    import anndata as ad

VERDICTS = ["supported", "weak", "contradicted", "not supported"]


def analysed(name: str, number: int, size_factors: str) -> tuple[ad.AnnData, ad.AnnData]:
    """Return one data set with the truth, and its result."""
    adata, basis, seed = data_set(name, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sv.SteadyveloWarning)
        result = sv.run(
            adata,
            groupby="clusters",
            basis=basis,
            size_factors=size_factors,
            rng=int(seed.generate_state(1)[0]),
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
    columns = ["verdict", "borderline", "p_holm", "retest_t", "retest_z", "reason"]
    var = result.var[result.var["velocity_genes"]]
    known = adata.var.loc[var.index]
    error = np.log(var["velocity_gamma"] * known["too_large"] / known["upper_ratio"])
    # a common factor of all ratios changes no direction
    spread = 1.4826 * (error - error.median()).abs().median()
    return table[columns].assign(lies=lies, ratio_bias=error.median(), ratio_sd=spread)


def verdicts_and_checks(name: str, numbers: range, size_factors: str) -> pd.DataFrame:
    """Print both tables of a condition, and return the verdicts."""
    verdicts, checks = [], []
    for number in numbers:
        adata, result = analysed(name, number, size_factors)
        if name != SIMULATE:
            verdicts.append(judged(adata, result).assign(number=number))
        checks.append(checked(result, adata))
    rows = pd.concat(verdicts) if verdicts else pd.DataFrame()
    if verdicts:
        counts = pd.crosstab(rows["lies"], rows["verdict"].astype(str))
        ratios = rows[["ratio_bias", "ratio_sd"]].mean()
        print(
            f"\n{name}: {len(rows)} clusters, {rows['borderline'].sum()} borderline; log γ is off "
            f"by {ratios['ratio_bias']:+.2f} ± {ratios['ratio_sd']:.2f}"
        )
        print(counts.reindex(columns=VERDICTS, fill_value=0).to_string())
    sound = sum((rows["model"] == "ok").all() for rows in checks)
    print(f"\n{name}: model checks; “ok” in {sound} of {len(checks)} data sets")
    print(summary(pd.concat(checks)).round(3).to_string(), flush=True)
    return rows


def orientations(name: str, numbers: range) -> pd.DataFrame:
    """Print a line of the table of pseudotimes, and return the orientations."""
    sets = (data_set(name, number) for number in numbers)
    found = [oriented(adata, int(seed.generate_state(1)[0])) for adata, _, seed in sets]
    rows = pd.DataFrame(found).assign(number=list(numbers))
    print(counted(name, rows), flush=True)
    return rows


def net_flows(name: str, numbers: range, **options: int) -> pd.DataFrame:
    """Print a line of the table of net flows, and return the flows."""
    rows = pd.concat([flows(name, number, **options) for number in numbers])
    print(counted_flows(name, rows), flush=True)
    return rows


def reruns(name: str, numbers: range, n_reruns: int) -> pd.DataFrame:
    """Print how many verdicts of a condition change, and return the verdicts."""
    found = [rerun(*data_set(name, number), n_reruns).assign(number=number) for number in numbers]
    rows = pd.concat(found)
    print(f"{name}: {summarised(rows)}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=10)
    parser.add_argument("--start", type=int, default=0)
    known = [*CONDITIONS, SIMULATE, FLIPPED]
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=known)
    parser.add_argument("--size-factors", default="per_layer", choices=["per_layer", "common"])
    parser.add_argument("--pseudotime", action="store_true", help="orientations, not verdicts")
    parser.add_argument("--flows", action="store_true", help="net flows between clusters")
    parser.add_argument("--cells", type=int, default=1_000, help="of --flows")
    parser.add_argument("--genes", type=int, default=300, help="of --flows")
    parser.add_argument("--controls", type=int, default=20, help="of --flows")
    parser.add_argument("--folds", action="store_true", help="test --flows by folds")
    parser.add_argument("--reruns", type=int, default=0, help="of every data set")
    parser.add_argument("--out", help="csv file for the rows of all clusters")
    options = parser.parse_args()
    # folds are of counts, and flipped signs of what follows from them
    other = {SIMULATE} if options.flows else {FLIPPED}
    other |= {FLIPPED} if options.folds else set()
    if wrong := other & set(options.conditions):
        parser.error(f"--conditions {' '.join(sorted(wrong))} is not for this table.")
    sv.settings.verbosity = 0
    numbers = range(options.start, options.start + options.sets)
    found = []
    for name in options.conditions:
        if options.pseudotime:
            rows = orientations(name, numbers)
        elif options.flows:
            how = {"n_controls": options.controls, "by_folds": options.folds}
            how |= {"n_cells": options.cells, "n_genes": options.genes}
            rows = net_flows(name, numbers, **how)
        elif options.reruns:
            rows = reruns(name, numbers, options.reruns)
        else:
            rows = verdicts_and_checks(name, numbers, options.size_factors)
        found.append(rows.assign(condition=name))
        if options.out:
            pd.concat(found).to_csv(options.out)
    if options.reruns:
        print(f"all: {summarised(pd.concat(found))}")


if __name__ == "__main__":
    main()
