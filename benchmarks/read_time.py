"""Time and memory of reading STARsolo's three matrices, beside scipy's reader alone.

    python benchmarks/read_time.py --cells 20000 --genes 30000

Each reader runs in a process of its own, in turn. The matrices share one pattern with explicit
zeros, as STARsolo writes them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse as sp

MEASURE = """
import json, sys, time
from pathlib import Path
import scipy.io, anndata, steadyvelo.io
def peak():
    # not ru_maxrss, which a process inherits from its parent
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return int(status.split()[0]) * 1024
before, started = peak(), time.perf_counter()
folder, which = Path(sys.argv[1]), sys.argv[2]
size = 0
if which == "steadyvelo":
    adata = steadyvelo.io.read(folder)
    parts = [adata.X, *(adata.layers[name] for name in ("spliced", "unspliced"))]
    size = sum(p.data.nbytes + p.indices.nbytes + p.indptr.nbytes for p in parts)
else:
    for name in ("spliced", "unspliced", "ambiguous"):
        scipy.io.mmread(folder / f"{name}.mtx").T.tocsr()
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "memory": peak() - before, "size": size}))
"""


def make(folder, n_cells, n_genes, genes_per_cell):
    """Write a triple of matrices."""
    rng = np.random.default_rng(0)
    pattern = sp.random_array(
        (n_genes, n_cells), density=genes_per_cell / n_genes, format="coo", rng=rng
    )
    for name, mean in (("spliced", 1.5), ("unspliced", 0.5), ("ambiguous", 0.1)):
        pattern.data = rng.poisson(mean, pattern.nnz)
        scipy.io.mmwrite(folder / f"{name}.mtx", pattern)
    (folder / "barcodes.tsv").write_text("".join(f"BARCODE{i}\n" for i in range(n_cells)))
    (folder / "features.tsv").write_text("".join(f"G{i}\tGene{i}\n" for i in range(n_genes)))


def measure(folder, which):
    command = [sys.executable, "-c", MEASURE, folder, which]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=30_000)
    parser.add_argument("--genes-per-cell", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, options.cells, options.genes, options.genes_per_cell)
        ours, theirs = [], []
        for _ in range(options.runs):
            ours.append(measure(folder, "steadyvelo"))
            theirs.append(measure(folder, "scipy"))
    ratio = statistics.median(
        a["seconds"] / b["seconds"] for a, b in zip(ours, theirs, strict=True)
    )
    for label, runs in (("steadyvelo", ours), ("scipy mmread + tocsr", theirs)):
        seconds = [run["seconds"] for run in runs]
        spread = f"({min(seconds):.2f} to {max(seconds):.2f})"
        print(f"{label:22} {statistics.median(seconds):6.2f} s  {spread}")
    memory, size = max(run["memory"] for run in ours), ours[0]["size"]
    print(f"ratio of times {ratio:.2f}")
    print(f"peak memory {memory / 1e6:.0f} MB, result {size / 1e6:.0f} MB")
    print(f"peak memory is {memory / size:.2f} times the result")


if __name__ == "__main__":
    main()
