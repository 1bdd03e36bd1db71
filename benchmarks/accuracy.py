"""Accuracy beside scVelo: simulated truth, and directions between clusters of the pancreas.

    python benchmarks/accuracy.py --scvelo-python ENV/bin/python --pancreas FILE.h5ad

ENV is a virtual environment with `benchmarks/requirements-scvelo.txt`. Both packages get the same
counts, genes, sizes, neighbour graph and embedding, each in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import steadyvelo as sv
from steadyvelo.metrics._truth import compare

PANCREAS_EDGES = [
    ("Ngn3 low EP", "Ngn3 high EP"),
    ("Ngn3 high EP", "Pre-endocrine"),
    ("Pre-endocrine", "Alpha"),
    ("Pre-endocrine", "Beta"),
    ("Pre-endocrine", "Delta"),
    ("Pre-endocrine", "Epsilon"),
]


def prepare(adata, **sizes):
    """Sizes, genes and neighbours, the same for both packages."""
    sv.pp.size_factors(adata, **sizes)
    sv.pp.filter_genes(adata, min_shared_counts=20, subset=True)
    sv.pp.neighbors(adata, n_neighbors=30)
    return adata


def fit(adata):
    """This package's default mode."""
    sv.tl.velocity(adata)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="umap" if "X_umap" in adata.obsm else "pca")
    return adata


def scvelo(adata, python):
    """scVelo's deterministic mode on the same data and graph."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "input.h5ad", Path(folder) / "output.npz"
        lean = adata.copy()
        for column in ("spliced", "unspliced"):
            size = lean.uns["size_factor_params"][f"{column}_size"]
            if size != "layer":
                lean.obs[f"n_counts_{column}"] = lean.obs[size]
        # files of pandas 3 cannot be read by scVelo's environment
        lean.obs = lean.obs.select_dtypes("number")
        lean.var = lean.var[[]]
        lean.uns = {"neighbors": lean.uns["neighbors"]}
        lean.write_h5ad(source)
        script = Path(__file__).with_name("scvelo_deterministic.py")
        subprocess.run([python, script, source, target], check=True)
        return dict(np.load(target))


def against_truth(n_cells, n_genes, seed, python):
    adata = prepare(sv.datasets.simulate(n_cells=n_cells, n_genes=n_genes, rng=seed))
    theirs = scvelo(adata, python)
    fit(adata)
    fitted = ~adata.var["velocity_gamma"].isna().to_numpy()
    truth = adata.layers["true_velocity"][:, fitted].astype(float)
    gamma = adata.var["true_gamma"].to_numpy()[fitted]
    edges = [tuple(edge) for edge in adata.uns["true_edges"]]
    rows = {}
    for name, ratio, velocity, arrows in (
        (
            "steadyvelo",
            adata.var["velocity_gamma"].to_numpy(),
            adata.layers["velocity"],
            adata.obsm["velocity_pca"],
        ),
        ("scVelo", theirs["gamma"], theirs["velocity"], theirs["arrows"]),
    ):
        row = compare(ratio[fitted], gamma, velocity[:, fitted].astype(float), truth)
        row["cross_boundary"] = directions(adata, arrows, edges, "pca")["cosine"].mean()
        rows[name] = row
    table = pd.DataFrame(rows)
    table["difference"] = table["steadyvelo"] - table["scVelo"]
    return table


def directions(adata, arrows, edges, basis):
    view = adata.copy()
    view.obsm[f"velocity_{basis}"] = arrows
    return sv.metrics.cross_boundary_direction(view, edges, basis=basis)


def pancreas(path, python):
    adata = prepare(
        sv.io.read_h5ad(path), spliced_size="nCount_spliced", unspliced_size="nCount_unspliced"
    )
    theirs = scvelo(adata, python)
    fit(adata)
    table = directions(adata, adata.obsm["velocity_umap"], PANCREAS_EDGES, "umap")
    table = table.rename(columns={"cosine": "steadyvelo"})
    table["scVelo"] = directions(adata, theirs["arrows"], PANCREAS_EDGES, "umap")["cosine"]
    same = (adata.var["velocity_genes"].to_numpy() == theirs["genes"]).all()
    return table, same


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scvelo-python", required=True)
    parser.add_argument("--pancreas")
    parser.add_argument("--cells", type=int, default=3000)
    parser.add_argument("--genes", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for seed in range(options.seeds):
        print(f"simulated, {options.cells} cells × {options.genes} genes, seed {seed}")
        table = against_truth(options.cells, options.genes, seed, options.scvelo_python)
        print(table.round(5).to_string(), "\n")
    if options.pancreas:
        table, same = pancreas(options.pancreas, options.scvelo_python)
        print("pancreas, cross-boundary direction (mean cosine)")
        print(table.round(4).to_string(index=False))
        print("the same velocity genes:", same)


if __name__ == "__main__":
    main()
