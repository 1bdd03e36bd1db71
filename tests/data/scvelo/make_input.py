"""Write the input of scVelo's numbers: python make_input.py, in this package's environment.

Simulated counts, size-normalised as scVelo does, with neighbours and two principal components as
an embedding.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp

import steadyvelo as sv

HERE = Path(__file__).parent


def main() -> None:
    adata = sv.datasets.simulate(n_cells=160, n_genes=60, depth=2, truth=False, rng=11)
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=30, n_pcs=15)
    for kind in ("spliced", "unspliced"):
        scale = sp.diags_array(1 / adata.obs[f"size_factor_{kind}"].to_numpy())
        adata.layers[kind] = sp.csr_matrix(scale @ adata.layers[kind], dtype=np.float32)
    adata.X = adata.layers["spliced"].copy()
    adata.obsm["X_plane"] = adata.obsm.pop("X_pca")[:, :2].astype(np.float64)
    adata.obs = adata.obs[["clusters"]].astype({"clusters": str})
    adata.var = adata.var[[]]
    adata.uns = {"neighbors": adata.uns["neighbors"]}
    # a graph of no version of this package
    for name in ("schema", "version", "n_cells", "cells_hash"):
        adata.uns["neighbors"]["params"].pop(name, None)
    adata.write_h5ad(HERE / "input.h5ad", compression="gzip")


main()
