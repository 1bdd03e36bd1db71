"""Seconds and memory of summaries, figures and the report, beside scVelo's where it has the same.

    python benchmarks/figures.py --cells 30000 --scvelo-python ENV/bin/python

Counts are those of `side_by_side.py` (`--pancreas FILE` for real ones). This package fits, makes
graph and arrows, and hands its result to scVelo by `interop.to_scvelo`, so that both summarise and
draw the same. Every package has a process of its own; modules are imported and kernels compiled
before the clock starts. A figure is drawn and written as png. Besides seconds, the table has the
processor seconds of all threads, which other processes on the machine change less. Above 100,000
cells scVelo gets eight genes, since it needs dense layers, and is not asked for what needs all
genes or all edges.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import anndata as ad
from _counts import add_data_options, prepare

SIDES = Path(__file__).parent / "sides"
CLOCKS = ("seconds", "processor")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_options(parser)
    parser.add_argument("--no-scvelo", action="store_true", help="leave scVelo out")
    parser.add_argument(
        "--no-summaries",
        action="store_true",
        help="figures and report alone, heat maps along the first dimension of the embedding",
    )
    parser.add_argument("--runs", type=int, default=1, help="of each package, one after the other")
    parser.add_argument("--keep", type=Path, help="copy the figures to this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        source = options.input or folder / "input.h5ad"
        if not source.exists():
            prepare(options, source)
        n_cells, n_genes = ad.read_h5ad(source, backed="r").shape
        print(f"{n_cells:,} cells × {n_genes:,} genes")
        handed = folder / "for_scvelo.h5ad"
        sides = [("steadyvelo", sys.executable, source)]
        if not options.no_scvelo:
            sides.append(("scvelo", options.scvelo_python, handed))
        found = {name: [] for name, _, _ in sides}
        part = "figures" if options.no_summaries else "all"
        for _ in range(options.runs):
            for name, python, path in sides:
                script = SIDES / f"{name}_figures.py"
                subprocess.run([python, script, path, folder, part], check=True)
                found[name].append(json.loads((folder / f"{name}.json").read_text()))
        handed.unlink(missing_ok=True)
        print_table(found)


def print_table(found: dict[str, list[dict]]) -> None:
    ours, theirs = found["steadyvelo"], found.get("scvelo", [])
    columns = f"{'seconds':>10}{'processor':>11}{'GB above':>10}"
    print(f"medians of {len(ours)} runs")
    if theirs:
        print(f"{'steadyvelo':>47}{'scVelo':>31}{'scVelo / steadyvelo':>21}")
        columns += f"{columns}{'seconds':>10}{'processor':>11}"
    print(f"{'':<16}{columns}")
    for step in ours[0]["seconds"]:
        line = f"{step:<16}{one_side(ours, step)}"
        if theirs and step in theirs[0]["seconds"]:
            ratios = [median(theirs, step, clock) / median(ours, step, clock) for clock in CLOCKS]
            line += f"{one_side(theirs, step)}{ratios[0]:10.2f}{ratios[1]:11.2f}"
        print(line)
    print(f"the report holds {ours[0]['report_megabytes']:.1f} MB")


def one_side(runs: list[dict], step: str) -> str:
    above = statistics.median(run["peaks"][step] - run["before"] for run in runs) / 1000
    seconds, processor = (median(runs, step, clock) for clock in CLOCKS)
    return f"{seconds:10.2f}{processor:11.2f}{above:10.2f}"


def median(runs: list[dict], step: str, clock: str) -> float:
    return statistics.median(run[clock][step] for run in runs)


if __name__ == "__main__":
    main()
