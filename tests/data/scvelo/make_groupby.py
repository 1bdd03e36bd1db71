"""Write scVelo's ratios of every cluster on input.h5ad: python make_groupby.py, with scVelo.

The versions are those of `benchmarks/requirements-scvelo.txt`.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import scvelo as scv

HERE = Path(__file__).parent
MODES = {"origin": {}, "offset": {"fit_offset": True}}


def main() -> None:
    warnings.simplefilter("ignore")
    scv.settings.verbosity = 0
    made = {}
    for mode, options in MODES.items():
        adata = ad.read_h5ad(HERE / "input.h5ad")
        adata.obs["clusters"] = adata.obs["clusters"].astype("category")
        scv.pp.moments(adata, n_pcs=None, n_neighbors=None)
        scv.tl.velocity(
            adata,
            mode="deterministic",
            groupby="clusters",
            use_highly_variable=False,
            filter_genes=False,
            **options,
        )
        # its velocity genes are those of single clusters, under other names
        assert "velocity_genes" not in adata.var
        for cluster in adata.obs["clusters"].cat.categories:
            for column in ("gamma", "offset", "r2"):
                name = f"velocity_{column}_{cluster}"
                if name in adata.var:
                    made[f"{mode}/{column}/{cluster}"] = adata.var[name].to_numpy(np.float32)
        made[f"{mode}/velocity"] = adata.layers["velocity"].astype(np.float32)
    np.savez_compressed(HERE / "groupby.npz", **made)


main()
