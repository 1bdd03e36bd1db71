"""Separate ratios of two lineages, in cells at steady state.

    python benchmarks/category_ratios.py

All cells are at steady state, so every velocity should be 0. The ratio of each gene is twice as
large in one lineage. Cells lie on a path. In a part of it, the lineage of a cell is drawn at
random, and neighbours are of both. A line for each part of the path says how far smoothing mixes
the ratios, and how large velocities are among the cells with neighbours in both lineages under one
ratio, under scVelo's rule (the ratio of a cell for the counts of all its neighbours), and with
`gamma_by`. The last columns are the ratio of slopes that `tl.compare_ratios` finds with neighbours
within each lineage, and the share of genes that it rejects at 5 %.
"""

from __future__ import annotations

import argparse

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import steadyvelo as sv

# share of the path in which lineages are mixed
MIXED = (0.0, 0.1, 0.25, 0.5, 1.0)
RATIOS = (0.2, 0.4)


def simulated(mixed, options, seed):
    """Return counts of cells at steady state on a path of two lineages."""
    rng = np.random.default_rng(seed)
    place = np.sort(rng.random(options.cells))
    second = place > 0.5
    inside = abs(place - 0.5) < mixed / 2
    second[inside] = rng.random(inside.sum()) < 0.5
    phase, width = rng.random(options.genes), rng.uniform(1, 2, options.genes)
    level = 2 * np.exp(width * np.sin(2 * np.pi * (place[:, None] / 2 + phase)))
    size = np.exp(rng.normal(0, 0.3, (options.cells, 1)))
    ratio = np.where(second, *RATIOS[::-1])[:, None]
    layers = {
        name: sp.csr_matrix(rng.poisson(options.depth * size * mean).astype(np.float32))
        for name, mean in (("spliced", level), ("unspliced", ratio * level))
    }
    names = [f"cell {i}" for i in range(options.cells)]
    obs = pd.DataFrame({"lineage": np.where(second, "b", "a")}, index=names)
    adata = ad.AnnData(layers["spliced"], obs=obs, layers=layers)
    adata.var_names = [f"gene {g}" for g in range(options.genes)]
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=30, n_pcs=10)
    return adata


def foreign(adata):
    """Return the share of the neighbours of each cell that are in the other lineage."""
    graph = sp.csr_array(adata.obsp["connectivities"] != 0).astype(float)
    second = (adata.obs["lineage"] == "b").to_numpy().astype(float)
    degree = graph.sum(axis=1)
    others = np.where(second > 0, degree - graph @ second, graph @ second)
    return others / degree


def drift(velocity, spliced, cells):
    """Return the mean size, over cells, of the mean of v / s over genes."""
    relative = np.asarray(velocity)[cells] / np.maximum(spliced[cells], 0.1)
    return abs(relative.mean(axis=1)).mean()


def measured(adata):
    """Return the row of one data set."""
    shares = foreign(adata)
    border = shares > 0.2
    sv.tl.velocity(adata, key_added="one")
    one = adata.layers["one"]
    sv.tl.velocity(adata, gamma_by="lineage")
    ms, mu = (adata.layers[name].astype(float) for name in ("Ms", "Mu"))
    table = sv.get.category_ratios(adata).pivot_table(
        "gamma", index="category", columns="gene", observed=True
    )[adata.var_names]
    scvelo = mu - table.loc[adata.obs["lineage"]].to_numpy() * ms
    sv.tl.compare_ratios(
        adata, "lineage", contrast="extremes", uncertainty="sandwich", velocity_key="one"
    )
    compared = sv.get.ratio_differences(adata, velocity_key="one")
    return {
        "foreign neighbours": shares.mean(),
        "gamma_b / gamma_a": float((table.loc["b"] / table.loc["a"]).median()),
        "cells at a border": border.mean(),
        "one ratio": drift(one, ms, border),
        "scVelo": drift(scvelo, ms, border),
        "gamma_by": drift(adata.layers["velocity"], ms, border),
        "compared slopes": float(2 ** abs(compared["log2_ratio"].median())),
        "rejected": float((compared["p"] < 0.05).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=2_000)
    parser.add_argument("--genes", type=int, default=200)
    parser.add_argument("--depth", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=4, help="number of data sets for each line")
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    sv.settings.verbosity = 0
    rows = {}
    for mixed in MIXED:
        found = []
        for number in range(options.first_seed, options.first_seed + options.seeds):
            seed = np.random.SeedSequence([number, round(100 * mixed)])
            found.append(measured(simulated(mixed, options, seed)))
        rows[f"{mixed:.0%} mixed"] = pd.DataFrame(found).mean()
    print(pd.DataFrame(rows).T.round(3).to_string())


if __name__ == "__main__":
    main()
