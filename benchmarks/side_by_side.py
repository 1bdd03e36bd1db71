"""Seconds and memory beside scVelo and scvelo-rs, on the same counts and the same neighbours.

    python benchmarks/side_by_side.py --cells 30000 --genes 2000 --scvelo-python ENV/bin/python \
        --scvelo-rs-python ENV2/bin/python

ENV is a virtual environment with `benchmarks/requirements-scvelo.txt`, and ENV2 one with
`benchmarks/requirements-scvelo-rs.txt`; scvelo-rs is left out if it is not given. Every run is a
process of its own; compilation is done before the clock starts and reported. Parts:

steps
    smoothing, fit, velocity and graph, and what is drawn from them: transition matrix, arrows,
    confidence, length. Memory is the highest of the step above the loaded counts. scvelo-rs has
    fit, velocity and graph of its own and leaves the other steps to scVelo. `--mode stochastic`
    measures the fit of second moments, which scvelo-rs leaves to scVelo, too.
neighbors
    30 neighbours in 30 components, with the share of the true ones that each package found.
    scvelo-rs has no search of its own and is left out.
run
    from a file of counts with an embedding to a file with velocities and a picture.
kernel
    multiply-adds per second of the edge kernel, beside a plain loop of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import scipy.sparse as sp
from _counts import add_data_options, prepare

SIDES = Path(__file__).parent / "sides"
SUMMARY_STEPS = ["transitions", "arrows", "confidence and length"]


@dataclass(frozen=True)
class Package:
    """A package that is measured: what its files are called, its Python, its number of runs."""

    name: str
    title: str
    python: str
    runs: int
    mode: str
    graph_steps: tuple[str, ...] = ("smoothing", "fit and velocity", "graph")

    def side(self, part: str, source: Path, folder: Path) -> dict:
        """Run one part in a process of its own."""
        subprocess.run(self.command(part, source, folder), check=True)
        return json.loads((folder / f"{self.name}.json").read_text())

    def command(self, part: str, source: Path, folder: Path) -> list:
        return [self.python, SIDES / f"{self.name}_side.py", part, source, folder, self.mode]


def packages(options) -> list[Package]:
    """Return this package and the others that are measured, this one first."""
    steps, mode = ("velocity", "graph"), options.mode
    found = [Package("steadyvelo", "steadyvelo", sys.executable, options.runs, mode, steps)]
    found.append(Package("scvelo", "scVelo", options.scvelo_python, options.scvelo_runs, mode))
    if options.scvelo_rs_python is not None:
        python, runs = options.scvelo_rs_python, options.scvelo_rs_runs
        found.append(Package("scvelo_rs", "scvelo-rs", python, runs, mode))
    return [package for package in found if package.runs]


@dataclass(frozen=True)
class Runs:
    """All runs of one part by one package."""

    package: Package
    found: list[dict]

    def seconds(self, steps: list[str] | None = None, clock: str = "seconds") -> float:
        """Return the median over runs; of smoothing, fit, velocity and graph if not given.

        `clock="processor"` is for processor seconds, of all threads together.
        """
        steps = self.package.graph_steps if steps is None else steps
        return statistics.median(sum(run[clock][step] for step in steps) for run in self.found)

    def gigabytes(self, steps: list[str] | None = None) -> float:
        """Return the highest memory above that before the first step, median over runs."""
        steps = self.package.graph_steps if steps is None else steps
        peaks = (max(run["peaks"][step] for step in steps) - run["before"] for run in self.found)
        return statistics.median(peaks) / 1000


def rounds(part: str, measured: list[Package], source: Path, folder: Path) -> list[Runs]:
    """Alternate between the packages, so that all see the machine's moods."""
    found = [Runs(package, []) for package in measured]
    for run in range(max(package.runs for package in measured)):
        for each in found:
            if run < each.package.runs:
                each.found.append(each.package.side(part, source, folder))
    return found


def print_steps(measured: list[Package], source: Path, folder: Path) -> None:
    runs = rounds("steps", measured, source, folder)
    print(f"\nmedian of {', '.join(str(len(each.found)) for each in runs)} runs")
    print(f"{'':<44}{'seconds':>11}{'processor':>11}")
    for each in runs:
        for step in each.found[0]["seconds"]:
            line = f"  {each.package.title:<12}{step:<30}{each.seconds([step]):11.2f}"
            print(f"{line}{each.seconds([step], 'processor'):11.2f}")
    ours, *theirs = runs
    print(f"\n{'':<34}{ours.package.title:>12}", end="")
    print("".join(f"{each.package.title:>12}{'ratio':>7}" for each in theirs))
    rows = [("smoothing, fit, velocity, graph", None), ("transitions to length", SUMMARY_STEPS)]
    for label, steps in rows:
        for name, clock in ((label, "seconds"), ("  on the processor", "processor")):
            own = ours.seconds(steps, clock)
            line = f"{name:<34}{own:10.2f} s"
            for each in theirs:
                other = each.seconds(steps, clock)
                line += f"{other:10.1f} s{other / own:7.1f}"
            print(line)
    for label, steps in rows:
        line = f"{'memory above counts':<34}{ours.gigabytes(steps):9.2f} GB"
        line += "".join(f"{each.gigabytes(steps):9.2f} GB{'':7}" for each in theirs)
        print(f"{line}   ({label})")
    everything = max(max(run["peaks"].values()) for run in ours.found) / 1000
    print(f"{'highest memory of the process':<34}{everything:9.2f} GB")
    compiled = statistics.median(run["compiled"] for run in ours.found)
    print(f"compiling before the clock starts: {compiled:.1f} s")
    for each in theirs:
        print_differences(ours.package, each.package, folder)


def print_differences(ours: Package, theirs: Package, folder: Path) -> None:
    a, b = (np.load(folder / f"{each.name}.npz") for each in (ours, theirs))
    both = np.isfinite(a["gamma"]) & (b["gamma"] > 0)
    relative = abs(a["gamma"][both] / b["gamma"][both] - 1)
    print(f"\n{ours.title} and {theirs.title}")
    print(f"largest relative difference in γ            {relative.max():.1e}")
    print(f"velocity genes that differ                  {int((a['genes'] != b['genes']).sum())}")
    x, y = (sp.load_npz(folder / f"{each.name}_graph.npz") for each in (ours, theirs))
    print(f"largest difference in a cosine              {abs(x - y).max():.1e} of {x.nnz:,} edges")
    cosine = (a["arrows"] * b["arrows"]).sum(axis=1) / (
        np.linalg.norm(a["arrows"], axis=1) * np.linalg.norm(b["arrows"], axis=1)
    )
    print(f"smallest cosine between arrows              {np.nanmin(cosine):.6f}")
    for name in ("confidence", "confidence_transition", "length"):
        print(f"largest difference in {name:<22}{np.nanmax(abs(a[name] - b[name])):.1e}")


def print_neighbors(measured: list[Package], source: Path, folder: Path) -> None:
    searching = [package for package in measured if package.name != "scvelo_rs"]
    runs = rounds("neighbors", searching, source, folder)
    points = ad.read_h5ad(source).obsm["X_pca"][:, :30].astype(np.float64)
    few = np.random.default_rng(0).choice(len(points), min(2000, len(points)), replace=False)
    squares = (points**2).sum(axis=1)
    true = []
    for i in few:
        distance = squares - 2 * points @ points[i]
        distance[i] = np.inf
        true.append(set(np.argpartition(distance, 29)[:29]))
    print(f"\n{'30 neighbours':<34}{'seconds':>12}{'recall':>10}{'ratio':>8}")
    for each in runs:
        graph = sp.load_npz(folder / f"{each.package.name}_graph.npz")
        hits = [
            len(true[n] & set(graph.indices[graph.indptr[i] : graph.indptr[i + 1]]))
            for n, i in enumerate(few)
        ]
        seconds = each.seconds(["neighbors"])
        line = f"{each.package.title:<34}{seconds:12.1f}{np.mean(hits) / 29:10.4f}"
        print(f"{line}{seconds / runs[0].seconds(['neighbors']):8.1f}")


def print_run(measured: list[Package], source: Path, folder: Path) -> None:
    counts = folder / "counts.h5ad"
    adata = ad.read_h5ad(source)
    adata.X = adata.layers["spliced"].copy()
    # neighbours are part of the run
    adata.obsp, adata.uns = {}, {}
    del adata.obsm["X_pca"]
    adata.write_h5ad(counts)
    command = [sys.executable, "-m", "steadyvelo", "run", counts]
    command += ["--out", folder / "ours.h5ad", "--uncertainty", "none"]
    command += ["--mode", measured[0].mode]
    medians = []
    print("\nfrom file to file, with neighbours and picture")
    for package in measured:
        if package.name != "steadyvelo":
            command = package.command("run", counts, folder)
        seconds = []
        for _ in range(package.runs):
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - started)
        medians.append(statistics.median(seconds))
        each = ", ".join(f"{s:.1f}" for s in seconds)
        print(f"{package.title:<34}{medians[-1]:10.1f} s{medians[-1] / medians[0]:8.1f}   ({each})")


def print_kernel(measured: list[Package], source: Path, folder: Path) -> None:
    found = measured[0].side("kernel", source, folder)
    share = found["edge_rate"] / found["loop_rate"]
    print(
        f"\nedge kernel: {found['edges_per_cell']:.0f} edges a cell, "
        f"{found['edge_rate'] / 1e9:.1f} G multiply-adds/s; "
        f"loop {found['loop_rate'] / 1e9:.1f} G/s; share {share:.0%}"
    )


PARTS = {
    "steps": print_steps,
    "neighbors": print_neighbors,
    "run": print_run,
    "kernel": print_kernel,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_options(parser)
    parser.add_argument("--scvelo-rs-python", help="also measure scvelo-rs, with this Python")
    parser.add_argument("--mode", default="deterministic", choices=["deterministic", "stochastic"])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["steps", "kernel"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scvelo-runs", type=int, default=1, help="0 leaves scVelo out")
    parser.add_argument("--scvelo-rs-runs", type=int, default=1)
    parser.add_argument("--prepare-only", action="store_true", help="make --input and stop")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1, because ratios are to the seconds of steadyvelo")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = options.input or folder / "input.h5ad"
        if not source.exists():
            prepare(options, source)
        n_cells, n_genes = ad.read_h5ad(source, backed="r").shape
        if options.prepare_only:
            return
        print(f"{n_cells:,} cells × {n_genes:,} genes, {options.mode}")
        for part in options.parts:
            PARTS[part](packages(options), source, folder)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
