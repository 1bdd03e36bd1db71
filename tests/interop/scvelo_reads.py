"""Run in scVelo's environment: its figures, confidence, pseudotime and graphs on our export.

python scvelo_reads.py EXPORT.h5ad OUTPUT.npz
"""

from __future__ import annotations

import sys
import warnings

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import scanpy as sc
import scvelo as scv

mpl.use("agg")
warnings.simplefilter("ignore")


def n_drawn():
    """Number of artists with data in the open figures, which are closed."""
    axes = [ax for number in plt.get_fignums() for ax in plt.figure(number).axes]
    n = sum(len(ax.collections) + len(ax.lines) + len(ax.images) + len(ax.patches) for ax in axes)
    plt.close("all")
    return n


def figures(adata):
    """Draw every figure of scVelo's tutorials on steady-state velocities; return what was drawn."""
    genes = list(adata.var_names[adata.var["velocity_genes"]][:3])
    show = {"show": False}
    calls = {
        "velocity_embedding": lambda: scv.pl.velocity_embedding(
            adata, basis="umap", arrow_length=3, arrow_size=2, color="clusters", **show
        ),
        "velocity_embedding_grid": lambda: scv.pl.velocity_embedding_grid(
            adata, basis="umap", color=genes[0], layer=["velocity", "spliced"], **show
        ),
        "velocity_embedding_stream": lambda: scv.pl.velocity_embedding_stream(
            adata, basis="umap", color="clusters", **show
        ),
        "velocity": lambda: scv.pl.velocity(
            adata, genes[:2], basis="umap", color="clusters", **show
        ),
        "velocity_graph": lambda: scv.pl.velocity_graph(
            adata, basis="umap", threshold=0.1, color="clusters", **show
        ),
        "phase portrait": lambda: scv.pl.scatter(adata, genes, color=["clusters"], **show),
        "pseudotime": lambda: scv.pl.scatter(
            adata, basis="umap", color="velocity_pseudotime", cmap="gnuplot", **show
        ),
        "confidence": lambda: scv.pl.scatter(
            adata, basis="umap", c=("velocity_length", "velocity_confidence"), **show
        ),
        "terminal states": lambda: scv.pl.scatter(
            adata, basis="umap", color=["root_cells", "end_points"], **show
        ),
        "umap": lambda: scv.pl.umap(adata, color="clusters", **show),
        "heatmap": lambda: scv.pl.heatmap(
            adata, genes, sortby="velocity_pseudotime", col_color="clusters", n_convolve=50, **show
        ),
        "proportions": lambda: scv.pl.proportions(adata, groupby="clusters", **show),
        "paga": lambda: scv.pl.paga(
            adata, basis="umap", size=50, alpha=0.1, min_edge_width=2, node_size_scale=1.5, **show
        ),
    }
    drawn = {}
    for name, call in calls.items():
        call()
        drawn[name] = n_drawn()
    x, y = scv.utils.get_cell_transitions(adata, basis="umap", starting_cell=0, random_state=0)
    ax = scv.pl.velocity_graph(adata, basis="umap", c="lightgrey", edge_width=0.05, **show)
    scv.pl.scatter(adata, x=x, y=y, s=120, c="ascending", cmap="gnuplot", ax=ax, **show)
    drawn["cell transitions"] = n_drawn()
    return drawn


def main(source: str, target: str) -> None:
    adata = ad.read_h5ad(source)
    ours = adata.copy()
    sc.tl.paga(ours, groups="clusters", use_rna_velocity=True)
    stored = adata.obsm["velocity_umap"].copy()
    ax = scv.pl.velocity_embedding_stream(adata, basis="umap", color="clusters", show=False)
    n_lines = sum(len(c.get_paths()) for c in ax.collections)
    plt.close("all")
    scv.tl.velocity_confidence(adata)
    scv.tl.velocity_pseudotime(adata)
    scv.tl.rank_velocity_genes(adata, groupby="clusters", min_corr=0.0, n_genes=5)
    scv.tl.paga(adata, groups="clusters")
    drawn = figures(adata)
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
        figures=list(drawn),
        drawn=list(drawn.values()),
        ranked=np.array(adata.uns["rank_velocity_genes"]["names"].tolist()).astype(str),
        paga=ours.uns["paga"]["transitions_confidence"].toarray(),
        clusters=list(ours.obs["clusters"].cat.categories),
    )


main(*sys.argv[1:])
