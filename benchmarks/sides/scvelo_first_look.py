"""scVelo's side of `first_look.py`; runs in scVelo's own environment.

python scvelo_first_look.py RESULT.h5ad FOLDER WIDTH HEIGHT DPI
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import scvelo as scv

mpl.use("agg")
warnings.simplefilter("ignore")
scv.settings.verbosity = 0

if __name__ == "__main__":
    source, folder, width, height, dpi = sys.argv[1:]
    adata = ad.read_h5ad(source)
    drawings = {
        "stream": scv.pl.velocity_embedding_stream,
        "grid": scv.pl.velocity_embedding_grid,
        "arrows": scv.pl.velocity_embedding,
    }
    for name, draw in drawings.items():
        draw(adata, basis="umap", color="clusters", show=False)
        plt.gcf().set_size_inches(float(width), float(height))
        plt.savefig(Path(folder) / f"{name}_scvelo.png", dpi=float(dpi))
        plt.close("all")
