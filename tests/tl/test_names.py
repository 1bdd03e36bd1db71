"""Results follow the names of cells and genes, not their order or which others there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import steadyvelo as sv

COLUMNS = ["gamma", "offset", "r2", "gamma_se", "gamma_low", "gamma_high", "offset_p"]


def analysed(adata, **options):
    adata = adata.copy()
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=15)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), dense=False, **options)
    return adata


@pytest.mark.parametrize("offset", [False, True])
def test_the_order_of_cells_and_genes_changes_nothing(offset):
    adata = sv.datasets.simulate(n_cells=500, n_genes=100, rng=0)
    cells, genes = (np.random.default_rng(1).permutation(n) for n in adata.shape)
    both = []
    for counts in (adata, adata[cells, genes]):
        x = analysed(counts, offset=offset)
        sv.tl.velocity_graph(x)
        x.obsm["X_plane"] = x.obsm["X_pca"][:, :2].copy()
        sv.tl.direction(x, basis="plane", groupby="branch", n_controls=20)
        sv.tl.terminal_states(x)
        sv.tl.velocity_pseudotime(x)
        both.append(x)
    first, second = both
    # components may point the other way
    turn = np.sign((first.obsm["X_pca"] * second[first.obs_names].obsm["X_pca"]).sum(axis=0))[:2]
    for name in (f"velocity_{c}" for c in COLUMNS):
        found = second.var[name].reindex(first.var_names)
        np.testing.assert_allclose(found, first.var[name], rtol=1e-6, atol=1e-6, err_msg=name)
    arrows = second[first.obs_names].obsm["velocity_direction_plane"] * turn
    scale = np.abs(arrows).max()
    np.testing.assert_allclose(
        arrows / scale, first.obsm["velocity_direction_plane"] / scale, atol=1e-6
    )
    for name, within in (("plane_p", 5e-6), ("root_cells", 1e-6), ("pseudotime", 1e-6)):
        # contributions to the direction of a cell are summed in float32
        found = second.obs[f"velocity_{name}"].reindex(first.obs_names)
        np.testing.assert_allclose(found, first.obs[f"velocity_{name}"], atol=within, err_msg=name)
    tables = [sv.get.cluster_directions(x, basis="plane") for x in both]
    for name in ("p", "control_determined"):
        np.testing.assert_allclose(tables[1][name], tables[0][name], atol=1e-6, err_msg=name)


@pytest.mark.slow
def test_leaving_out_a_gene_hardly_moves_the_others():
    """One of 2,000: ratios move by 0.02 standard errors at the median, and by 0.3 at most."""
    adata = sv.datasets.simulate(n_cells=400, n_genes=2000, rng=0)
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata)
    sv.tl.velocity(adata, uncertainty="crossfit", dense=False)
    moved = []
    for gene in np.random.default_rng(0).choice(adata.n_vars, 2, replace=False):
        less = adata[:, np.arange(adata.n_vars) != gene].copy()
        sv.tl.velocity(less, uncertainty="crossfit", dense=False)
        every = adata.var.loc[less.var_names]
        shift = (less.var["velocity_gamma"] - every["velocity_gamma"]) / every["velocity_gamma_se"]
        moved.append(shift.abs().dropna())
    moved = pd.concat(moved)
    assert moved.median() <= 0.02
    assert moved.max() <= 0.3
