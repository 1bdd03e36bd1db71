"""Run scVelo's deterministic mode on a file, in scVelo's own environment.

    python scvelo_deterministic.py INPUT.h5ad OUTPUT.npz

INPUT holds the genes to use, raw counts, sizes over all genes in `obs` (n_counts_spliced,
n_counts_unspliced), a neighbour graph and an embedding X_umap or X_pca.
"""

from __future__ import annotations

import sys
import warnings

import anndata as ad
import numpy as np
import scvelo as scv

warnings.simplefilter("ignore")
scv.settings.verbosity = 0


def main(source: str, target: str) -> None:
    adata = ad.read_h5ad(source)
    for layer in ("spliced", "unspliced"):
        adata.obs[f"initial_size_{layer}"] = adata.obs[f"n_counts_{layer}"]
    scv.pp.normalize_per_cell(adata, layers=["spliced", "unspliced"], use_initial_size=True)
    scv.pp.moments(adata, n_neighbors=None)
    scv.tl.velocity(adata, mode="deterministic", use_highly_variable=None)
    scv.tl.velocity_graph(adata, n_jobs=1, show_progress_bar=False)
    basis = "umap" if "X_umap" in adata.obsm else "pca"
    scv.tl.velocity_embedding(adata, basis=basis)
    np.savez(
        target,
        gamma=adata.var["velocity_gamma"].to_numpy(),
        genes=adata.var["velocity_genes"].to_numpy(),
        velocity=adata.layers["velocity"],
        arrows=adata.obsm[f"velocity_{basis}"],
    )


main(*sys.argv[1:])
