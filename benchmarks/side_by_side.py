"""Seconds and memory beside scVelo, on the same counts and the same neighbours.

    python benchmarks/side_by_side.py --cells 30000 --genes 2000 --scvelo-python ENV/bin/python

ENV is a virtual environment with `benchmarks/requirements-scvelo.txt`. Every run is a process of
its own; compilation is done before the clock starts and reported. Parts:

steps
    smoothing, fit, velocity and graph, and what is drawn from them: transition matrix, arrows,
    confidence, length. Memory is the highest of the step above the loaded counts.
neighbors
    30 neighbours in 30 components, with the share of the true ones that each package found.
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
from pathlib import Path

import anndata as ad
import numpy as np
import scipy.sparse as sp

import steadyvelo as sv

SIDES = Path(__file__).parent / "sides"
GRAPH_STEPS = {
    "steadyvelo": ["velocity", "graph"],
    "scvelo": ["smoothing", "fit and velocity", "graph"],
}
SUMMARY_STEPS = ["transitions", "arrows", "confidence and length"]


def simulated(options, tissue: int):
    """Return one tissue: cells on a separate tree, with separate programs of genes."""
    n_cells = options.cells // options.tissues
    adata = sv.datasets.simulate(
        n_cells=n_cells,
        n_genes=options.genes,
        n_branches=options.branches or max(2, n_cells // 15_000),
        depth=options.depth,
        truth=False,
        rng=options.seed + tissue,
    )
    # X is the spliced layer again: it need not be in the file twice
    del adata.X
    return adata


def prepare(options, path: Path) -> None:
    """Write counts, sizes, components, neighbours and an embedding, the same for both."""
    if options.pancreas is not None:
        adata = sv.io.read_h5ad(options.pancreas)
        sv.pp.size_factors(adata, spliced_size="nCount_spliced", unspliced_size="nCount_unspliced")
        adata.obs["n_counts_spliced"] = adata.obs["nCount_spliced"]
        adata.obs["n_counts_unspliced"] = adata.obs["nCount_unspliced"]
        sv.pp.filter_genes(adata, min_shared_counts=20, subset=True)
    else:
        adata = ad.concat([simulated(options, tissue) for tissue in range(options.tissues)])
        adata.obs_names_make_unique()
        sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=30, n_pcs=30)
    if "X_umap" not in adata.obsm:
        adata.obsm["X_umap"] = adata.obsm["X_pca"][:, :2].astype(np.float64)
    # files of pandas 3 cannot be read by scVelo's environment
    clusters = adata.obs["clusters"].astype(str).to_numpy(dtype=object)
    adata.obs = adata.obs[["n_counts_spliced", "n_counts_unspliced"]].assign(clusters=clusters)
    adata.var = adata.var[[]]
    adata.uns = {"neighbors": adata.uns["neighbors"]}
    adata.write_h5ad(path)


def side(package: str, part: str, options, source: Path, folder: Path) -> dict:
    """Run one part of one package in a process of its own."""
    python = {"steadyvelo": sys.executable, "scvelo": options.scvelo_python}[package]
    script = SIDES / f"{package}_side.py"
    subprocess.run([python, script, part, source, folder], check=True)
    return json.loads((folder / f"{package}.json").read_text())


def rounds(part: str, options, source: Path, folder: Path) -> dict[str, list[dict]]:
    """Alternate between the packages, so that both see the machine's moods."""
    found = {"steadyvelo": [], "scvelo": []}
    for run in range(max(options.runs, options.scvelo_runs)):
        if run < options.runs:
            found["steadyvelo"].append(side("steadyvelo", part, options, source, folder))
        if run < options.scvelo_runs:
            found["scvelo"].append(side("scvelo", part, options, source, folder))
    return found


def median(runs: list[dict], steps: list[str]) -> float:
    return statistics.median(sum(run["seconds"][step] for step in steps) for run in runs)


def above(runs: list[dict], steps: list[str]) -> float:
    peaks = (max(run["peaks"][step] for step in steps) - run["before"] for run in runs)
    return statistics.median(peaks) / 1000


def print_steps(options, source: Path, folder: Path) -> None:
    runs = rounds("steps", options, source, folder)
    ours, theirs = runs["steadyvelo"], runs["scvelo"]
    print(f"\nmedian of {len(ours)} and {len(theirs)} runs, seconds")
    for name, found in runs.items():
        for step in found[0]["seconds"] if found else ():
            print(f"  {name:<12}{step:<26}{median(found, [step]):9.2f}")
    rows = [("smoothing, fit, velocity, graph", None), ("transitions to length", SUMMARY_STEPS)]
    print(f"\n{'':<34}{'steadyvelo':>12}{'scVelo':>10}{'ratio':>8}")
    for label, steps in rows:
        a = median(ours, steps or GRAPH_STEPS["steadyvelo"])
        line = f"{label:<34}{a:10.2f} s"
        if theirs:
            b = median(theirs, steps or GRAPH_STEPS["scvelo"])
            line += f"{b:8.1f} s{b / a:8.1f}"
        print(line)
    for label, steps in rows:
        line = (
            f"{'memory above counts':<34}{above(ours, steps or GRAPH_STEPS['steadyvelo']):9.2f} GB"
        )
        if theirs:
            line += f"{above(theirs, steps or GRAPH_STEPS['scvelo']):7.2f} GB"
        print(f"{line}   ({label})")
    everything = max(max(run["peaks"].values()) for run in ours) / 1000
    print(f"{'highest memory of the process':<34}{everything:9.2f} GB")
    print(f"compiling before the clock starts: {median_of(ours, 'compiled'):.1f} s")
    if theirs:
        print_differences(folder)


def median_of(runs: list[dict], name: str) -> float:
    return statistics.median(run[name] for run in runs)


def print_differences(folder: Path) -> None:
    a, b = (np.load(folder / f"{name}.npz") for name in ("steadyvelo", "scvelo"))
    both = np.isfinite(a["gamma"]) & (b["gamma"] > 0)
    relative = abs(a["gamma"][both] / b["gamma"][both] - 1)
    print(f"\nlargest relative difference in γ         {relative.max():.1e}")
    print(f"velocity genes that differ               {int((a['genes'] != b['genes']).sum())}")
    x, y = (sp.load_npz(folder / f"{name}_graph.npz") for name in ("steadyvelo", "scvelo"))
    print(f"largest difference in a cosine           {abs(x - y).max():.1e} of {x.nnz:,} edges")
    cosine = (a["arrows"] * b["arrows"]).sum(axis=1) / (
        np.linalg.norm(a["arrows"], axis=1) * np.linalg.norm(b["arrows"], axis=1)
    )
    print(f"smallest cosine between arrows           {np.nanmin(cosine):.6f}")
    for name in ("confidence", "confidence_transition", "length"):
        print(f"largest difference in {name:<19}{np.nanmax(abs(a[name] - b[name])):.1e}")


def print_neighbors(options, source: Path, folder: Path) -> None:
    runs = rounds("neighbors", options, source, folder)
    points = ad.read_h5ad(source).obsm["X_pca"][:, :30].astype(np.float64)
    few = np.random.default_rng(0).choice(len(points), min(2000, len(points)), replace=False)
    squares = (points**2).sum(axis=1)
    true = []
    for i in few:
        distance = squares - 2 * points @ points[i]
        distance[i] = np.inf
        true.append(set(np.argpartition(distance, 29)[:29]))
    print(f"\n{'30 neighbours':<34}{'seconds':>12}{'recall':>10}")
    for name, found in runs.items():
        if not found:
            continue
        graph = sp.load_npz(folder / f"{name}_graph.npz")
        hits = [
            len(true[n] & set(graph.indices[graph.indptr[i] : graph.indptr[i + 1]]))
            for n, i in enumerate(few)
        ]
        print(f"{name:<34}{median(found, ['neighbors']):12.1f}{np.mean(hits) / 29:10.4f}")
    if all(runs.values()):
        ratio = median(runs["scvelo"], ["neighbors"]) / median(runs["steadyvelo"], ["neighbors"])
        print(f"ratio {ratio:.1f}")


def print_run(options, source: Path, folder: Path) -> None:
    seconds = {"steadyvelo": [], "scvelo": []}
    counts = folder / "counts.h5ad"
    adata = ad.read_h5ad(source)
    adata.X = adata.layers["spliced"].copy()
    # neighbours are part of the run
    adata.obsp, adata.uns = {}, {}
    del adata.obsm["X_pca"]
    adata.write_h5ad(counts)
    ours = [
        sys.executable,
        "-m",
        "steadyvelo",
        "run",
        counts,
        "--out",
        folder / "ours.h5ad",
        "--uncertainty",
        "none",
    ]
    theirs = [options.scvelo_python, SIDES / "scvelo_side.py", "run", counts, folder]
    for name, command, n in (
        ("steadyvelo", ours, options.runs),
        ("scvelo", theirs, options.scvelo_runs),
    ):
        for _ in range(n):
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - started)
    print("\nfrom file to file, with neighbours and picture")
    for name, found in seconds.items():
        if found:
            each = ", ".join(f"{s:.1f}" for s in found)
            print(f"{name:<34}{statistics.median(found):10.1f} s   ({each})")
    if all(seconds.values()):
        a, b = (statistics.median(found) for found in seconds.values())
        print(f"ratio {b / a:.1f}")


def print_kernel(options, source: Path, folder: Path) -> None:
    found = side("steadyvelo", "kernel", options, source, folder)
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


def add_data_options(parser) -> None:
    """Which counts, and where scVelo is."""
    parser.add_argument("--cells", type=int, default=30_000)
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--depth", type=float, default=0.3)
    parser.add_argument(
        "--branches",
        type=int,
        help="of a simulated tree; one for 15,000 cells if not given, at least 2",
    )
    parser.add_argument(
        "--tissues",
        type=int,
        default=1,
        help="trees that share no cells; with one for 30,000 cells, as in an atlas, larger data "
        "have as many edges a cell as small data",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pancreas", help="use this file instead of simulated counts")
    parser.add_argument("--input", type=Path, help="keep the prepared counts here, for later runs")
    parser.add_argument("--scvelo-python", default=".venv-scvelo/bin/python")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_options(parser)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["steps", "kernel"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scvelo-runs", type=int, default=1, help="0 leaves scVelo out")
    parser.add_argument("--prepare-only", action="store_true", help="make --input and stop")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = options.input or folder / "input.h5ad"
        if not source.exists():
            prepare(options, source)
        n_cells, n_genes = ad.read_h5ad(source, backed="r").shape
        if options.prepare_only:
            return
        print(f"{n_cells:,} cells × {n_genes:,} genes")
        for part in options.parts:
            PARTS[part](options, source, folder)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
