"""scVelo's directed PAGA on a result: python scvelo_paga.py IN.h5ad OUT.csv (needs igraph)."""

from __future__ import annotations

import sys

import anndata as ad
import numpy as np
import pandas as pd
import scvelo as scv

path, out = sys.argv[1:]
adata = ad.read_h5ad(path)
adata.obs["clusters"] = adata.obs["clusters"].astype("category")
scv.tl.paga(adata, groups="clusters")
names = np.array(adata.obs["clusters"].cat.categories)
# an entry leads from the cluster of its column to that of its row
steps = adata.uns["paga"]["transitions_confidence"].tocoo()
table = {"source": names[steps.col], "target": names[steps.row], "scvelo": steps.data}
pd.DataFrame(table).to_csv(out, index=False)
