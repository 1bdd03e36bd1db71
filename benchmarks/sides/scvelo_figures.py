"""scVelo's side of `figures.py`; runs in scVelo's own environment.

python scvelo_figures.py RESULT.h5ad FOLDER {all,figures}
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import scvelo as scv
from _measure import Steps

mpl.use("agg")
warnings.simplefilter("ignore")
scv.settings.verbosity = 0
MOST_CELLS_WITH_LAYERS = 100_000


def everything(adata, step, folder: Path, genes: list[str], part: str) -> None:
    many = adata.n_obs > MOST_CELLS_WITH_LAYERS
    if part == "all":
        with step("terminal states"):
            scv.tl.terminal_states(adata)
        with step("pseudotime"):
            scv.tl.velocity_pseudotime(adata)
    else:
        adata.obs["velocity_pseudotime"] = adata.obsm["X_umap"][:, 0]
    if part == "all" and not many:
        with step("ranked genes"):
            scv.tl.rank_velocity_genes(adata, groupby="clusters")
        with step("confidence"):
            scv.tl.velocity_confidence(adata)
    here = {"basis": "umap", "color": "clusters", "show": False}
    drawings = {
        "stream": lambda: scv.pl.velocity_embedding_stream(adata, **here),
        "grid": lambda: scv.pl.velocity_embedding_grid(adata, **here),
        "arrows": lambda: scv.pl.velocity_embedding(adata, **here),
        "phase portraits": lambda: scv.pl.scatter(
            adata, genes, color="clusters", ncols=4, show=False
        ),
        "gene velocity": lambda: scv.pl.velocity(adata, genes[:2], basis="umap", show=False),
        "heat map": lambda: scv.pl.heatmap(
            adata, genes, sortby="velocity_pseudotime", col_color="clusters", show=False
        ),
    }
    if not many:
        drawings["proportions"] = lambda: scv.pl.proportions(adata, groupby="clusters", show=False)
        drawings["graph"] = lambda: scv.pl.velocity_graph(adata, **here)
    for name, draw in drawings.items():
        with step(name):
            draw()
            plt.savefig(folder / f"scvelo {name}.png", dpi=150)
        plt.close("all")


def main(source: str, folder: Path, part: str) -> None:
    adata = ad.read_h5ad(source)
    adata.obs["clusters"] = adata.obs["clusters"].astype("category")
    genes = [str(gene) for gene in adata.uns.pop("genes")]
    # fonts are found and pictures written once before the clock starts
    scv.pl.scatter(adata[:500].copy(), basis="umap", color="clusters", show=False)
    plt.savefig(folder / "scvelo warm.png", dpi=150)
    plt.close("all")
    step = Steps()
    everything(adata, step, folder, genes, part)
    step.write(folder / "scvelo.json")


main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
