"""Seconds and memory of summaries, figures and the report, beside scVelo's where it has the same.

    python benchmarks/figures.py --cells 30000 --scvelo-python ENV/bin/python

Counts are those of `side_by_side.py` (`--pancreas FILE` for real ones). This package fits, makes
graph and arrows, and hands its result to scVelo by `interop.to_scvelo`, so that both summarise and
draw the same. Every package has a process of its own; modules are imported and kernels compiled
before the clock starts. A figure is drawn and written as png. Above 100,000 cells scVelo gets
eight genes, since it needs dense layers, and is not asked for what needs all genes or all edges.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import anndata as ad
from _counts import add_data_options, prepare

SIDES = Path(__file__).parent / "sides"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_options(parser)
    parser.add_argument("--no-scvelo", action="store_true", help="leave scVelo out")
    parser.add_argument(
        "--no-summaries",
        action="store_true",
        help="figures and report alone, heat maps along the first dimension of the embedding",
    )
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
        found = {}
        for name, python, path in sides:
            script = SIDES / f"{name}_figures.py"
            part = "figures" if options.no_summaries else "all"
            subprocess.run([python, script, path, folder, part], check=True)
            found[name] = json.loads((folder / f"{name}.json").read_text())
        handed.unlink(missing_ok=True)
        print_table(found)


def print_table(found: dict[str, dict]) -> None:
    ours, theirs = found["steadyvelo"], found.get("scvelo")
    print(f"{'':<22}{'seconds':>9}{'GB above':>10}{'scVelo':>10}{'GB above':>10}{'ratio':>8}")
    for step, seconds in ours["seconds"].items():
        line = f"{step:<22}{seconds:9.2f}{(ours['peaks'][step] - ours['before']) / 1000:10.2f}"
        if theirs is not None and step in theirs["seconds"]:
            other = theirs["seconds"][step]
            above = (theirs["peaks"][step] - theirs["before"]) / 1000
            line += f"{other:10.2f}{above:10.2f}{other / seconds:8.1f}"
        print(line)
    print(f"the report holds {ours['report_megabytes']:.1f} MB")


if __name__ == "__main__":
    main()
