"""Are supported directions right if the model is wrong?

    python benchmarks/wrong_models --sets 10
    python benchmarks/wrong_models --sets 50 --conditions static-types-30 static-doublets-30
    python benchmarks/wrong_models --sets 10 --pseudotime

Data sets are simulated by integration of the kinetics, with rates that may depend on time and
branch, noise that modules of genes share, and bursts; or they are populations that do not change.
Each gets the verdicts of `steadyvelo.run`. For every condition, the table counts the clusters by
verdict, and by the angle between their arrow and the true direction on the embedding: right (below
60°), across, or reversed (above 120°). Populations that do not change have no right direction.
With --pseudotime, the table counts the pseudotimes whose orientation is determined, and those of
them that run with the true time.

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
from _kinetics import Rates
from _pseudotime import counted, oriented

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
    "batches": Condition(noise=Noise(batches=0.4)),
    "ambient": Condition(noise=Noise(ambient=0.15)),
    "500-molecules": Condition(noise=Noise(molecules=500)),
    "static-path": Condition(static="path"),
    **{
        f"static-{kind}-{round(100 * share)}": Condition(static=kind, differing=share)
        for kind in ("types", "doublets", "gradients")
        for share in (0.0, 0.3, 0.6)
    },
}
VERDICTS = ["supported", "weak", "contradicted", "not supported"]


def simulated(name: str, number: int) -> tuple[ad.AnnData, int]:
    """Return a data set and the seed of its analysis."""
    sequence = np.random.SeedSequence([number, zlib.crc32(name.encode())])
    simulation, analysis = sequence.spawn(2)
    return cells_of(CONDITIONS[name], simulation), int(analysis.generate_state(1)[0])


def judged(name: str, number: int) -> pd.DataFrame:
    """Return a row per cluster of one data set: verdict, statistics, and how the arrow lies."""
    adata, seed = simulated(name, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sv.SteadyveloWarning)
        result = sv.run(
            adata,
            groupby="clusters",
            basis="map",
            rng=seed,
            force=True,
        )
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
    return table[columns].assign(lies=lies, number=number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=10)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=CONDITIONS)
    parser.add_argument("--pseudotime", action="store_true", help="orientations, not verdicts")
    parser.add_argument("--out", help="csv file for the rows of all clusters")
    options = parser.parse_args()
    sv.settings.verbosity = 0
    found = []
    for name in options.conditions:
        numbers = range(options.start, options.start + options.sets)
        if options.pseudotime:
            rows = pd.DataFrame([oriented(*simulated(name, number)) for number in numbers])
            print(counted(name, rows), flush=True)
        else:
            rows = pd.concat([judged(name, number) for number in numbers])
            counts = pd.crosstab(rows["lies"], rows["verdict"].astype(str))
            print(f"\n{name}: {len(rows)} clusters")
            print(counts.reindex(columns=VERDICTS, fill_value=0).to_string(), flush=True)
        found.append(rows.assign(condition=name))
        if options.out:
            pd.concat(found).to_csv(options.out)


if __name__ == "__main__":
    main()
