"""Bias and intervals of ratios that are fitted to first and second moments together.

All cells are at steady state. In the first data the states are known: cells lie on a line, and the
neighbours of a cell are those next to it. In the second they are found from the counts.

With many known neighbours and Poisson counts, exact moments must be unbiased, and scVelo's must not
where library sizes differ. Overdispersion that is independent in both layers must bias both.
"""

from __future__ import annotations

import itertools

import anndata as ad
import numpy as np
import scipy.sparse as sp
from _data import Draws, fit, prepare
from _summary import Share, median_bias, score

import steadyvelo as sv

MODES = {
    "deterministic": "deterministic",
    "scvelo": "stochastic",
    "exact": sv.Stochastic(moments="exact"),
}
# whether states are known, and the number of neighbours
PLACES = {"known, 200": (True, 200), "known, 30": (True, 30), "found, 30": (False, 30)}
_N_CELLS, _N_GENES = 1500, 60
# bias that exact moments may have, and bias that scVelo's must have
_MOST, _LEAST = 0.02, 0.05


def on_a_line(draws: Draws, n_neighbors: int, spread: float, dispersion: float):
    """Draw counts of cells whose states and neighbours are known; return true ratios, too."""
    states, ratios, sizes, noise = (draws.generator() for _ in range(4))
    time = np.sort(states.random(_N_CELLS))
    level = 2 * np.exp(-((time[:, None] - states.random(_N_GENES)) ** 2) / 0.1) + 0.1
    gamma = np.exp(ratios.normal(np.log(0.3), 0.3, _N_GENES))
    size = np.exp(sizes.normal(0, spread, _N_CELLS))
    size /= np.median(size)
    layers = {}
    for name, mean in (("spliced", level), ("unspliced", gamma * level)):
        mean = size[:, None] * mean  # noqa: PLW2901 (the mean of counts)
        if dispersion > 0:
            mean = mean * noise.gamma(1 / dispersion, dispersion, mean.shape)  # noqa: PLW2901
        layers[name] = sp.csr_matrix(noise.poisson(mean).astype(np.float64))
    adata = ad.AnnData(layers["spliced"].copy(), layers=layers)
    for name in layers:
        adata.obs[f"size_factor_{name}"] = size
    away = np.abs(np.arange(_N_CELLS)[:, None] - np.arange(_N_CELLS))
    graph = sp.csr_matrix((away <= n_neighbors // 2) & (away > 0), dtype=float)
    adata.obsp["connectivities"] = adata.obsp["distances"] = graph
    adata.uns["neighbors"] = {
        "connectivities_key": "connectivities",
        "distances_key": "distances",
        "params": {},
    }
    return adata, gamma


def from_counts(draws: Draws, n_neighbors: int, spread: float, dispersion: float):
    """Simulate a tree of cells, and find neighbours and sizes from the counts."""
    adata = sv.datasets.simulate(
        n_cells=_N_CELLS,
        n_genes=200,
        library_size_sd=spread,
        steady_state=True,
        depth=0.3,
        dispersion=dispersion,
        rng=draws.generator(),
    )
    return prepare(adata, n_neighbors=n_neighbors), adata.var["true_gamma"].to_numpy()


def one_data_set(number: int, place: str, spread: float, dispersion: float) -> dict:
    """Return what the intervals of each mode hold, and relative errors of velocity genes."""
    known, n_neighbors = PLACES[place]
    draw = on_a_line if known else from_counts
    adata, truth = draw(Draws(number), n_neighbors, spread, dispersion)
    found = {}
    for name, mode in MODES.items():
        table = fit(adata, mode=mode, uncertainty="sandwich")
        # the same genes in all modes: velocity genes are those of the deterministic fit
        genes = adata.var["velocity_genes"].to_numpy() & (table["molecules"] >= 20).to_numpy()
        found[name] = score(table, truth, genes)
    return found


def run(options) -> bool:
    """Print a line for every condition; return whether exact moments keep their promise."""
    kept = True
    sv.settings.verbosity = 0
    for place, dispersion, spread in itertools.product(
        options.places, options.dispersions, options.spreads
    ):
        numbers = range(options.first, options.first + options.seeds)
        data_sets = [one_data_set(number, place, spread, dispersion) for number in numbers]
        texts, bias = [], {}
        for name in MODES:
            marks, errors = zip(*(data_set[name] for data_set in data_sets), strict=True)
            bias[name] = median_bias(errors)
            texts.append(f"{bias[name]:+.3f} | {Share.of(marks)}")
        print(f"| {place} | {dispersion:g} | {spread:g} | {' | '.join(texts)} |", flush=True)
        if PLACES[place] == (True, 200) and dispersion == 0:
            kept &= abs(bias["exact"]) < _MOST
            kept &= bias["scvelo"] < -_LEAST or spread < 0.5
    return kept
