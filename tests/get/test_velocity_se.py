"""Standard errors of velocities against their definition and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest

import steadyvelo as sv

TWO = sv.CrossFit(n_repeats=2)


def prepared(rng=0, *, offset=False, uncertainty=TWO, **options):
    adata = sv.datasets.simulate(n_cells=500, n_genes=60, rng=rng, **options)
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    sv.tl.velocity(adata, uncertainty=uncertainty, offset=offset, dense=False)
    return adata


@pytest.mark.parametrize("offset", [False, True])
def test_they_are_their_definition(offset):
    adata = prepared(offset=offset)
    genes = list(adata.var_names[[7, 3, 20]])
    found = sv.get.velocity_se(adata, genes=genes, cells=["cell 9", "cell 2"])
    assert list(found.columns) == genes
    near = (adata.obsp["connectivities"].toarray() > 0) | np.eye(adata.n_obs, dtype=bool)
    factor = adata.obs["size_factor_spliced"].to_numpy()[:, None]
    var = adata.var.loc[genes]
    s, u = (adata[:, genes].layers[name].toarray() / factor for name in ("spliced", "unspliced"))
    r = u - var["velocity_gamma"].to_numpy() * s - var["velocity_offset"].to_numpy()
    for cell in ("cell 9", "cell 2"):
        inside = near[adata.obs_names.get_loc(cell)]
        counts = np.var(r[inside], axis=0) / (inside.sum() - 1)
        mean = s[inside].mean(axis=0)
        line = (
            var["velocity_offset_se"] ** 2
            + 2 * mean * var["velocity_gamma_offset_covariance"]
            + (mean * var["velocity_gamma_se"]) ** 2
        )
        np.testing.assert_allclose(found.loc[cell], np.sqrt(counts + line), rtol=1e-4)
    assert (adata.var["velocity_offset_se"].dropna() > 0).all() == offset


@pytest.mark.parametrize("dispersion", [0.0, 0.5])
def test_velocities_lie_within_their_errors(dispersion):
    inside = []
    for seed in range(3):
        adata = prepared(seed, dispersion=dispersion)
        v, se = sv.get.velocity(adata).to_numpy(), sv.get.velocity_se(adata).to_numpy()
        near = (adata.obsp["connectivities"].toarray() > 0) | np.eye(adata.n_obs, dtype=bool)
        mean = near / near.sum(axis=1, keepdims=True)
        # what the same neighbours say without noise, with the ratio that the fit estimates
        scale = np.median(adata.obs["library_size"] / adata.obs["size_factor_spliced"])
        u, s = (mean @ adata.layers[f"true_{x}"] * scale for x in ("unspliced", "spliced"))
        truth = u - adata.var["true_gamma"].to_numpy() * s
        steady = adata.var["velocity_gamma_molecules"].to_numpy() > 50
        moving = np.abs(adata.var["velocity_gamma"] / adata.var["true_gamma"] - 1).to_numpy() > 0.15
        use = steady & ~moving
        inside.append((np.abs(v - truth) <= 1.96 * se)[:, use].mean())
    # neighbours share noise, so somewhat less than 0.95
    assert 0.85 < np.mean(inside) < 0.98


def test_genes_with_few_molecules_have_none():
    adata = prepared(depth=0.1)
    few = adata.var["velocity_gamma_se"].isna()
    assert few.any()
    assert sv.get.velocity_se(adata).loc[:, few].isna().all().all()


def test_without_errors_the_remedy_is_named():
    adata = prepared(uncertainty=None)
    with pytest.raises(KeyError, match="uncertainty='crossfit'"):
        sv.get.velocity_se(adata)
    sv.tl.velocity(adata, uncertainty="sandwich", dense=False)
    with pytest.raises(KeyError, match="nothing"):
        sv.get.velocity_se(adata, genes="nothing")
