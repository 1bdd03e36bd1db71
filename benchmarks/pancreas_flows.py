"""Net flows between the clusters of the pancreas, beside the directed PAGA of scVelo.

    python benchmarks/pancreas_flows.py --pancreas FILE.h5ad --scvelo-python .venv-scvelo/bin/python

scVelo's environment needs igraph, too. It gets the velocity graph of this package, and computes a
pseudotime, which it takes as a prior, and the tree of its edges.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import steadyvelo as sv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pancreas", required=True)
    parser.add_argument("--controls", type=int, default=20)
    parser.add_argument("--scvelo-python")
    options = parser.parse_args()
    adata = sv.io.read_h5ad(options.pancreas)
    sv.pp.size_factors(adata, spliced_size="nCount_spliced", unspliced_size="nCount_unspliced")
    sv.pp.filter_genes(adata, min_shared_counts=20, subset=True)
    sv.pp.neighbors(adata, n_neighbors=30, n_pcs=30)
    sv.tl.velocity(adata, uncertainty="crossfit")
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="umap")
    sv.tl.cluster_graph(adata, "clusters", n_controls=options.controls)
    ours = sv.get.cluster_graph(adata)
    ours = ours[ours["net"] > 0].sort_values("p")
    if options.scvelo_python:
        ours = ours.merge(theirs(adata, options.scvelo_python), "outer", ["source", "target"])
    points, arrows = adata.obsm["X_umap"].astype(np.float64), adata.obsm["velocity_umap"]
    clusters = adata.obs["clusters"].astype(str).to_numpy()
    cosines = []
    for row in ours.itertuples():
        source, target = (clusters == name for name in (row.source, row.target))
        way = points[target].mean(axis=0) - points[source].mean(axis=0)
        mean = np.nanmean(arrows[source], axis=0)
        cosines.append(way @ mean / np.linalg.norm(way) / np.linalg.norm(mean))
    columns = ["source", "target", "ratio", "preference", "net", "net_se", "t", "p", "p_holm"]
    columns += ["retest_t", "retest_z", "significant", "verdict", "connectivity"]
    shown = [*columns, *({"scvelo"} & set(ours))]
    print(ours[shown].assign(stream_cosine=cosines).to_string(index=False))


def theirs(adata, python: str) -> pd.DataFrame:
    """Return the edges of scVelo's directed PAGA."""
    given = sv.interop.to_scvelo(adata)
    given.obs = given.obs[["clusters"]].astype(str).astype(object)
    script = Path(__file__).parent / "sides" / "scvelo_paga.py"
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.h5ad", Path(folder) / "out.csv"
        given.uns = {name: given.uns[name] for name in ("velocity_graph", "velocity_graph_neg")} | {
            "neighbors": given.uns["neighbors"],
            "velocity_params": {"embeddings": ["umap"]},
        }
        given.write_h5ad(source)
        subprocess.run([python, script, source, target], check=True)
        return pd.read_csv(target)


if __name__ == "__main__":
    main()
