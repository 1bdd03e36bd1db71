"""Cells on a plane with arrows, as pictures need them and no more."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def on_a_plane():
    """Make an AnnData of cells on an embedding, with arrows and clusters where they are given."""

    def make(points, arrows=None, clusters=None, name="umap"):
        points = np.asarray(points, dtype=np.float64)
        names = [f"cell {k}" for k in range(len(points))]
        adata = ad.AnnData(np.zeros((len(points), 1), np.float32), obs=pd.DataFrame(index=names))
        adata.obsm[f"X_{name}"] = points
        if arrows is not None:
            adata.obsm[f"velocity_{name}"] = np.asarray(arrows, dtype=np.float64)
        if clusters is not None:
            adata.obs["clusters"] = pd.Categorical(clusters)
        return adata

    return make
