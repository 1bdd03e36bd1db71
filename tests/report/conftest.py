"""A small result with verdicts, and names that try to be more than text."""

from __future__ import annotations

import pytest
import scipy.sparse as sp

import steadyvelo as sv

EVIL_CLUSTER = "<script>alert(1)</script>"
EVIL_GENE = "\"'><img src=x onerror=alert(2)>"


@pytest.fixture(scope="session")
def judged_once():
    """Result of `run` with clusters that are judged; not to be changed."""
    adata = sv.datasets.simulate(n_cells=300, n_genes=70, depth=2.5, rng=5)
    names = list(adata.var_names)
    names[3] = EVIL_GENE
    adata.var_names = names
    adata.obs["clusters"] = adata.obs["clusters"].cat.rename_categories({"fork": EVIL_CLUSTER})
    # a gene that is not used, and has to be accounted for
    unspliced = adata.layers["unspliced"].toarray()
    unspliced[:, 7] = 0
    adata.layers["unspliced"] = sp.csr_matrix(unspliced)
    sv.pp.qc(adata)
    return sv.run(
        adata,
        basis="pca",
        uncertainty=sv.CrossFit(n_repeats=1),
        groupby="clusters",
        neighbors=sv.Neighbors(n_neighbors=15, n_pcs=10),
    )


@pytest.fixture
def judged(judged_once):
    """A copy of it."""
    return judged_once.copy()
