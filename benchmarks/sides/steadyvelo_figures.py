"""This package's side of `figures.py`.

python steadyvelo_figures.py INPUT.h5ad FOLDER {all,figures}
"""

from __future__ import annotations

import sys
from pathlib import Path

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from _measure import Steps

import steadyvelo as sv

mpl.use("agg")
MOST_CELLS_WITH_LAYERS = 100_000


def fit(adata, *, dense: bool, **criteria) -> None:
    sv.tl.velocity(adata, dense=dense, **criteria)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="umap")


def summaries(adata, step) -> None:
    with step("terminal states"):
        sv.tl.terminal_states(adata)
    with step("pseudotime"):
        sv.tl.velocity_pseudotime(adata)
    with step("ranked genes"):
        sv.tl.rank_velocity_genes(adata, groupby="clusters")
    with step("randomised"):
        sv.tl.randomized_velocity(adata, basis="umap")
    with step("confidence"):
        sv.tl.velocity_confidence(adata)


def figures(adata, step, folder: Path, genes: list[str]) -> None:
    here = {"basis": "umap", "color": "clusters"}
    drawings = {
        "stream": lambda: sv.pl.velocity_stream(adata, **here),
        "grid": lambda: sv.pl.velocity_grid(adata, **here),
        "arrows": lambda: sv.pl.velocity_arrows(adata, **here),
        "control": lambda: sv.pl.control(adata, **here),
        "graph": lambda: sv.pl.velocity_graph(adata, **here),
        "phase portraits": lambda: sv.pl.phase_portrait(adata, genes, color="clusters"),
        "phase densities": lambda: sv.pl.phase_portrait(adata, genes, hexagons=True),
        "gene velocity": lambda: sv.pl.gene_velocity(adata, genes[:2], **here),
        "heat map": lambda: sv.pl.heatmap(adata, genes, color="clusters"),
        "proportions": lambda: sv.pl.proportions(adata, "clusters"),
        "rank genes": lambda: sv.pl.rank_genes(adata),
    }
    for name, draw in drawings.items():
        with step(name):
            axes = draw()
            figure = np.asarray(axes, dtype=object).ravel()[0].figure
            figure.savefig(folder / f"steadyvelo {name}.png", dpi=150)
        plt.close("all")


def everything(adata, step, folder: Path, genes: list[str], part: str) -> Path:
    if part == "all":
        summaries(adata, step)
    else:
        adata.obs["velocity_pseudotime"] = adata.obsm["X_umap"][:, 0]
        # what the figures of the control and of ranked genes show
        sv.tl.randomized_velocity(adata, basis="umap")
        sv.tl.rank_velocity_genes(adata, groupby="clusters")
    figures(adata, step, folder, genes)
    with step("report"):
        return sv.report.write(adata, folder / "report.html", groupby="clusters")


def main(source: str, folder: Path, part: str) -> None:
    adata = ad.read_h5ad(source)
    adata.obs["clusters"] = adata.obs["clusters"].astype("category")
    sv.pp.size_factors(adata, spliced_size="n_counts_spliced", unspliced_size="n_counts_unspliced")
    few = adata[:: max(1, adata.n_obs // 500)].copy()
    sv.pp.neighbors(few, n_neighbors=15, n_pcs=10)
    fit(few, dense=True, min_r2=-np.inf, min_gamma=-np.inf)
    everything(few, Steps(), folder, list(few.var_names[:8]), part)
    fit(adata, dense=adata.n_obs <= MOST_CELLS_WITH_LAYERS)
    chosen = adata.var.sort_values("velocity_r2", ascending=False).index[:8].tolist()
    handed = adata
    if adata.n_obs > MOST_CELLS_WITH_LAYERS:
        handed = adata[:, chosen].copy()
    theirs = sv.interop.to_scvelo(handed)
    theirs.uns["genes"] = np.array(chosen, dtype=object)
    theirs.write_h5ad(folder / "for_scvelo.h5ad")
    del theirs, handed
    step = Steps()
    page = everything(adata, step, folder, chosen, part)
    step.write(folder / "steadyvelo.json", report_megabytes=page.stat().st_size / 1e6)


main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
