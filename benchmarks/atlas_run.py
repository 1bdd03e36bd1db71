"""Seconds by step and peak memory of `steadyvelo run` on data of an atlas's size.

    python benchmarks/atlas_run.py --cells 10000 --tissues 12
    python benchmarks/atlas_run.py --cells 10000 --tissues 12 --functions 40

Tissues share no cells: each is a separate tree with separate programs of genes, and has its own
clusters. The embedding is given, with the tissues apart. The run is a process of its own. For each
step, the share of its time in which one thread works alone is printed: with two threads, this is 2
minus the processor time per second. With `--functions`, the run is profiled in one thread instead,
and the functions with most time of their own are printed.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import json
import pstats
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import anndata as ad
import numpy as np
from _counts import add_data_options, draws, simulated

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
        spread = draws(options, tissue)[1].normal(0, 0.15, (part.n_obs, 2))
        part.obsm["X_umap"] = corner + spread + away.T
        parts.append(part)
    adata = ad.concat(parts)
    adata.obs = adata.obs[["clusters"]].astype("category")
    return adata


# function that does a step, and the module that calls it
STEPS = {
    "quality checks": ("_run._run", "checked_counts"),
    "neighbours": ("_run._run", "_find_neighbors"),
    "folds": ("tl._uncertainty", "make_repeat"),
    "fits": ("tl._make_fit", "fit_ratios"),
    "velocity graph": ("tl._velocity_graph", "make_graph"),
    "directions": ("tl._reliability", "make_directions"),
    "checks of the model": ("tl._reliability", "make_checks"),
    "other size factors": ("tl._reliability", "_other_sizes"),
    "other settings": ("tl._reliability", "compare_variants"),
}


class Clock:
    """Seconds and processor seconds of steps, each without the steps inside it."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self.inside: list[list[float]] = []

    def watch(self, step: str, module: str, name: str) -> None:
        """Measure a function whenever a module calls it."""
        place = importlib.import_module(f"steadyvelo.{module}")
        function = getattr(place, name)

        def measured(*given, **named):
            return self.measure(step, partial(function, *given, **named))

        setattr(place, name, measured)

    def measure(self, step: str, work):
        """Call a function and add what it needs to a step."""
        self.inside.append([0.0, 0.0])
        before = time.perf_counter(), time.process_time()
        result = work()
        whole = [time.perf_counter() - before[0], time.process_time() - before[1]]
        inner = self.inside.pop()
        total = self.spent.setdefault(step, [0.0, 0.0])
        for k in range(2):
            total[k] += whole[k] - inner[k]
            if self.inside:
                self.inside[-1][k] += whole[k]
        return result

    def table(self, n_threads: int) -> str:
        """Return a line per step: seconds, share of the run, and share of one thread alone."""
        everything = sum(seconds for seconds, _ in self.spent.values())
        lines = [f"{'step':<22}{'seconds':>9}{'share':>8}{'one thread':>12}"]
        for step, (seconds, processor) in self.spent.items():
            alone = (n_threads - processor / seconds) / max(n_threads - 1, 1)
            share = f"{seconds / everything:>8.0%}{min(max(alone, 0), 1):>12.0%}"
            lines.append(f"{step:<22}{seconds:>9.1f}{share}")
        return "\n".join(lines)


def run(path: Path, threads: int | None, n_functions: int) -> None:
    """Run in this process and print what it took."""
    warnings.simplefilter("ignore")
    sv.settings.verbosity = 0
    adata = sv.io.read(path)
    profile, clock = cProfile.Profile(), Clock()
    started = time.perf_counter()
    clock.measure("import", lambda: sv.run)
    n_threads = 1 if n_functions else sv.engine.count_threads(threads)
    if n_functions:
        profile.enable()
    else:
        for step, where in STEPS.items():
            clock.watch(step, *where)
    result = clock.measure("everything else", partial(sv.run, adata, n_threads=n_threads))
    profile.disable()
    seconds = time.perf_counter() - started
    if n_functions:
        pstats.Stats(profile).sort_stats("tottime").print_stats(n_functions)
    else:
        print(clock.table(n_threads))
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
