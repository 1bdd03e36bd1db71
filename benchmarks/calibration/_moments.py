"""Bias and intervals of ratios that are fitted to first and second moments together.

All cells are at steady state. Where library sizes differ, scVelo's second moments must be biased
and exact ones must not; overdispersion that is independent in both layers must bias both.
"""

from __future__ import annotations

import itertools

import numpy as np
from _data import Draws, fit, prepare
from _summary import Share, enough, median_bias, score

import steadyvelo as sv

MODES = {
    "deterministic": "deterministic",
    "scvelo": "stochastic",
    "exact": sv.Stochastic(moments="exact"),
}
# what the exact moments promise where counts are Poisson, and how far scVelo's must be off
_EXACT, _FAILING = 0.01, 0.03


def one_data_set(number: int, spread: float, depth: float, dispersion: float) -> dict:
    """Return what the intervals of each mode hold, and relative errors of refitted genes."""
    draws = Draws(number)
    adata = sv.datasets.simulate(
        n_cells=2000,
        n_genes=200,
        library_size_sd=spread,
        steady_state=True,
        depth=depth,
        dispersion=dispersion,
        rng=draws.generator(),
    )
    prepare(adata)
    found = {}
    truth = adata.var["true_gamma"].to_numpy()
    for name, mode in MODES.items():
        table = fit(adata, mode=mode, uncertainty="sandwich")
        # the same genes in all modes: velocity genes are those of the deterministic fit
        found[name] = score(table, truth, enough(table) & adata.var["velocity_genes"].to_numpy())
    return found


def run(options) -> bool:
    """Print a line for every condition; return whether exact moments keep their promise."""
    kept = True
    for spread, depth, dispersion in itertools.product(
        options.spreads, options.depths, options.dispersions
    ):
        numbers = range(options.first, options.first + options.seeds)
        data_sets = [one_data_set(number, spread, depth, dispersion) for number in numbers]
        texts, bias = [], {}
        for name in MODES:
            marks, errors = zip(*(data_set[name] for data_set in data_sets), strict=True)
            bias[name] = median_bias(errors)
            texts.append(f"{name} {bias[name]:+.4f}, covers {Share.of(marks)}")
        n_genes = int(np.sum([len(data_set["exact"][0]) for data_set in data_sets]))
        print(
            f"sd of log sizes {spread:3.1f}  depth {depth:3.1f}  φ {dispersion:3.1f}  "
            f"{'; '.join(texts)}  ({n_genes} genes)",
            flush=True,
        )
        if dispersion == 0:
            kept &= abs(bias["exact"]) < _EXACT
            kept &= bias["scvelo"] < -_FAILING or spread < 0.3
    return kept
