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
from side_by_side import add_data_options, simulated

import steadyvelo as sv


def prepared(options) -> ad.AnnData:
    """Return counts, clusters and an embedding."""
    parts = []
    side = int(np.ceil(np.sqrt(options.tissues)))
    for tissue in range(options.tissues):
        part = simulated(options, tissue)
        part.obs_names = [f"{tissue} {name}" for name in part.obs_names]
        part.obs["clusters"] = [f"tissue {tissue + 1} {name}" for name in part.obs["clusters"]]
        branch = part.obs["branch"].astype("category").cat.codes.to_numpy()
        angle = 2 * np.pi * branch / (branch.max() + 1)
        away = part.obs["true_time"].to_numpy() * np.stack([np.cos(angle), np.sin(angle)])
        corner = 12.0 * np.array([tissue % side, tissue // side])
        spread = np.random.default_rng(options.seed).normal(0, 0.15, (part.n_obs, 2))
        part.obsm["X_umap"] = corner + spread + away.T
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
    add_data_options(parser)
    parser.set_defaults(cells=10_000, tissues=12)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--functions", type=int, default=0)
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
