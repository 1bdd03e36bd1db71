"""Run in scVelo's environment: its plots, confidence and pseudotime on our result.

python scvelo_reads.py RESULT.h5ad OUTPUT.npz
"""

from __future__ import annotations

import sys
import warnings

import anndata as ad
import matplotlib as mpl
import numpy as np
import scvelo as scv

mpl.use("agg")
warnings.simplefilter("ignore")


def main(source: str, target: str) -> None:
    adata = ad.read_h5ad(source)
    stored = adata.obsm["velocity_umap"].copy()
    ax = scv.pl.velocity_embedding_stream(adata, basis="umap", color="clusters", show=False)
    n_lines = sum(len(c.get_paths()) for c in ax.collections)
    scv.pl.velocity_embedding_grid(adata, basis="umap", show=False)
    scv.pl.velocity(adata, adata.var_names[:2], basis="umap", show=False)
    scv.tl.velocity_confidence(adata)
    scv.tl.velocity_pseudotime(adata)
    transitions = scv.utils.get_transition_matrix(adata)
    scv.tl.velocity_embedding(adata, basis="umap")
    np.savez(
        target,
        n_lines=n_lines,
        stored=stored,
        arrows=adata.obsm["velocity_umap"],
        confidence=adata.obs["velocity_confidence"],
        pseudotime=adata.obs["velocity_pseudotime"],
        transitions=transitions.toarray(),
    )


main(*sys.argv[1:])
