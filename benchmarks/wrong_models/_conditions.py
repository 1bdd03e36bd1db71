"""The conditions, and one data set of each."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from _cells import Condition, Noise, cells_of
from _checks import simulated
from _kinetics import Rates

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
    "static-path": Condition(static="path"),
    **{
        f"static-{kind}-{round(100 * share)}": Condition(static=kind, differing=share)
        for kind in ("types", "doublets", "gradients")
        for share in (0.0, 0.3, 0.6)
    },
}
# cells of `datasets.simulate`, for the model checks only
SIMULATE = "datasets.simulate"


def data_set(name: str, number: int) -> tuple[ad.AnnData, str, np.random.SeedSequence]:
    """Return a data set with its truth, the name of its embedding, and the seed of its analysis."""
    sequence = np.random.SeedSequence([number, zlib.crc32(name.encode())])
    simulation, analysis = sequence.spawn(2)
    if name == SIMULATE:
        return simulated(int(simulation.generate_state(1)[0])), "pca", analysis
    return cells_of(CONDITIONS[name], simulation), "map", analysis
