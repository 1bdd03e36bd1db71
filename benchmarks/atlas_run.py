"""Seconds by step and peak memory of `steadyvelo run` on data of an atlas's size.

    python benchmarks/atlas_run.py --cells 10000 --tissues 12
    python benchmarks/atlas_run.py --cells 10000 --tissues 12 --functions 40

Tissues share no cells: each is a separate tree with separate programs of genes, and has its own
clusters. The embedding is given, with the tissues apart. The run is a process of its own. With
`--functions`, it is profiled in one thread, and the functions with most time of their own are
printed.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import anndata as ad
import numpy as np

import steadyvelo as sv


def prepared(options) -> ad.AnnData:
    """Return counts, clusters and an embedding."""
    parts = []
    for tissue in range(options.tissues):
        n_cells = options.cells // options.tissues
        part = sv.datasets.simulate(
            n_cells=n_cells,
            n_genes=options.genes,
            n_branches=max(2, n_cells // 15_000),
            depth=options.depth,
            truth=False,
            rng=options.seed + tissue,
        )
        del part.X
        part.obs_names = [f"{tissue} {name}" for name in part.obs_names]
        part.obs["clusters"] = [f"tissue {tissue + 1} {name}" for name in part.obs["clusters"]]
        place = part.obs[["true_time", "branch"]].copy()
        branch = place["branch"].astype("category").cat.codes.to_numpy()
        spread = np.random.default_rng(options.seed).normal(0, 0.15, (n_cells, 2))
        side = int(np.ceil(np.sqrt(options.tissues)))
        corner = 12.0 * np.array([tissue % side, tissue // side])
        angle = 2 * np.pi * branch / (branch.max() + 1)
        time_ = place["true_time"].to_numpy()[:, None]
        part.obsm["X_umap"] = corner + spread + time_ * np.stack([np.cos(angle), np.sin(angle)], 1)
        parts.append(part)
    adata = ad.concat(parts)
    adata.obs = adata.obs[["clusters"]].astype("category")
    return adata


def run(path: Path, threads: int | None, n_functions: int) -> None:
    """Run in this process and print what it took."""
    warnings.simplefilter("ignore")
    sv.settings.verbosity = 0
    adata = sv.io.read(path)
    profile = cProfile.Profile()
    started = time.perf_counter()
    if n_functions:
        profile.enable()
    result = sv.run(adata, n_threads=1 if n_functions else threads)
    profile.disable()
    seconds = time.perf_counter() - started
    if n_functions:
        pstats.Stats(profile).sort_stats("tottime").print_stats(n_functions)
    print(
        json.dumps(
            {
                "seconds": round(seconds, 1),
                "peak_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
                "steps": {k: round(v, 1) for k, v in result.uns["velocity_run"]["seconds"].items()},
                "verdicts": result.uns["velocity_reliability"]["verdict"].value_counts().to_dict(),
            }
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--tissues", type=int, default=12)
    parser.add_argument("--depth", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--functions", type=int, default=0)
    parser.add_argument("--input", type=Path, help="keep the data here, for later runs")
    parser.add_argument("--here", action="store_true", help="run --input in this process")
    options = parser.parse_args()
    if options.here:
        run(options.input, options.threads, options.functions)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.input or Path(folder) / "atlas.h5ad"
        if not path.exists():
            prepared(options).write_h5ad(path)
        command = [sys.executable, __file__, "--here", "--input", str(path)]
        command += ["--functions", str(options.functions)]
        command += [] if options.threads is None else ["--threads", str(options.threads)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
