"""Settings are compared on some cells of large data sets."""

from __future__ import annotations

import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo.tl import _sampled_fit
from steadyvelo.tl._sampled_fit import sampled_fit


@pytest.fixture(scope="module")
def fitted():
    adata = sv.datasets.simulate(n_cells=900, n_genes=80, rng=0)
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    sv.tl.velocity(adata, dense=False)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="pca")
    # one small cluster
    adata.obs["clusters"] = np.where(np.arange(900) < 8, "few", adata.obs["branch"].astype(str))
    return adata


@pytest.fixture
def few_cells(monkeypatch):
    monkeypatch.setattr(_sampled_fit, "MOST_CELLS", 500)
    monkeypatch.setattr(_sampled_fit, "_SAMPLE", 400)
    monkeypatch.setattr(_sampled_fit, "_OF_CLUSTER", 30)


def test_small_data_are_compared_as_a_whole(fitted):
    fit = Fit.read(fitted, "velocity")
    found, cells = sampled_fit(fit, np.zeros(900, dtype=int), "pca")
    assert found is fit
    np.testing.assert_array_equal(cells, np.arange(900))


@pytest.mark.usefixtures("few_cells")
def test_some_cells_have_neighbours_among_themselves_and_every_cluster_is_there(fitted):
    fit = Fit.read(fitted, "velocity")
    groups = fitted.obs["clusters"].astype("category").cat.codes.to_numpy().astype(int)
    found, cells = sampled_fit(fit, groups, "pca")
    assert 400 <= len(cells) < 450
    sizes = np.bincount(groups[cells])
    assert (sizes >= np.minimum(np.bincount(groups), 30)).all()
    part = found.adata
    assert list(part.obs_names) == list(fitted.obs_names[cells])
    assert (np.diff(part.obsp["distances"].indptr) == 19).all()
    assert (part.layers["spliced"] != fitted.layers["spliced"][cells]).nnz == 0
    np.testing.assert_array_equal(part.obsm["X_pca"], fitted.obsm["X_pca"][cells])
    # the order of the cells changes nothing
    order = np.random.default_rng(0).permutation(900)
    turned, again = sampled_fit(Fit.read(fitted[order].copy(), "velocity"), groups[order], "pca")
    assert set(turned.adata.obs_names) == set(part.obs_names)
    assert len(again) == len(cells)


@pytest.mark.usefixtures("few_cells")
def test_the_table_of_some_cells_is_about_that_of_all(fitted, monkeypatch):
    adata = fitted.copy()
    sv.tl.sensitivity(adata, "clusters", basis="pca")
    some = sv.get.sensitivity(adata)
    n_cells = adata.uns["velocity_params"]["sensitivity"]["n_cells"]
    assert 400 <= n_cells < 450
    monkeypatch.setattr(_sampled_fit, "MOST_CELLS", 10_000)
    sv.tl.sensitivity(adata, "clusters", basis="pca")
    every = sv.get.sensitivity(adata)
    assert adata.uns["velocity_params"]["sensitivity"]["n_cells"] == 900
    assert list(some.index) == list(every.index)
    assert list(some.columns) == list(every.columns)
    assert abs(some - every)["all"].max() < 0.1
    assert (some.to_numpy() != every.to_numpy()).any()


@pytest.mark.usefixtures("few_cells")
def test_a_representation_of_other_data_is_used_and_an_unknown_one_needs_all_cells(fitted):
    adata = fitted.copy()
    adata.obsm["X_scvi"] = adata.obsm["X_pca"][:, :5].copy()
    sv.pp.neighbors(adata, n_neighbors=15, use_rep="X_scvi")
    sv.tl.velocity(adata, dense=False)
    found, cells = sampled_fit(Fit.read(adata, "velocity"), np.zeros(900, dtype=int), "pca")
    assert len(cells) < 500
    assert found.adata.uns["neighbors"]["params"]["use_rep"] == "X_scvi"
    del adata.obsm["X_scvi"]
    _, cells = sampled_fit(Fit.read(adata, "velocity"), np.zeros(900, dtype=int), "pca")
    assert len(cells) == 900
