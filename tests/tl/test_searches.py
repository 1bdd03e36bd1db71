"""Neighbours are found again as those of the graph: within batches, and by its metric."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_distances

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo.tl import _sampled_fit
from steadyvelo.tl._fold_neighbors import Graphs, fold_neighbors, neighbors_within, states_from
from steadyvelo.tl._sampled_fit import sampled_fit


def searched(adata, **options):
    """The fit on a graph that was searched with some options."""
    sv.pp.neighbors(adata, **{"n_neighbors": 13, "n_pcs": 8} | options)
    sv.tl.velocity(adata, dense=False)
    return Fit.read(adata, "velocity")


def of_folds(fit, within=None):
    genes = np.arange(fit.adata.n_vars) % 2 == 0
    both = Graphs(ratios=True, directions=True)
    return fold_neighbors(fit.inputs, genes, fit.options, 0, both, 1, within)


def owners(graph):
    return np.repeat(np.arange(graph.n_cells), np.diff(graph.indptr))


def test_neighbours_of_folds_are_in_the_batch_of_the_cell(prepared):
    batch = np.arange(240) % 3
    prepared.obs["batch"] = batch
    fit = searched(prepared, within="batch")
    for graph in of_folds(fit):
        assert (batch[owners(graph)] == batch[graph.indices]).all()
    # groups of a comparison divide the batches
    half = np.arange(240) // 120
    for graph in of_folds(fit, half):
        assert (batch[owners(graph)] == batch[graph.indices]).all()
        assert (half[owners(graph)] == half[graph.indices]).all()


def test_neighbours_of_folds_are_the_nearest_by_the_metric(prepared):
    fit = searched(prepared, metric="cosine")
    genes = np.arange(60) % 2 == 0
    found = of_folds(fit).directions
    far = cosine_distances(states_from(fit.inputs, genes, fit.options, 0, 1).astype(float))
    np.fill_diagonal(far, np.inf)
    expected = np.argsort(far, axis=1)[:, :12]
    near = found.indices.reshape(240, 12)
    np.testing.assert_array_equal(np.sort(near, axis=1), np.sort(expected, axis=1))


def test_neighbours_in_another_representation_are_searched_in_the_same_way(prepared):
    batch = np.arange(240) % 2
    prepared.obs["batch"] = batch
    prepared.obsm["X_mine"] = np.random.default_rng(0).normal(size=(240, 4))
    fit = searched(prepared, use_rep="X_mine", within="batch", metric="cosine")
    half = np.arange(240) // 120
    found = neighbors_within(fit.inputs, fit.options, half, 0, 1)
    far = cosine_distances(prepared.obsm["X_mine"])
    groups = 2 * batch + half
    for cell in range(0, 240, 17):
        others = np.flatnonzero((groups == groups[cell]) & (np.arange(240) != cell))
        expected = others[np.argsort(far[cell, others])][:24]
        np.testing.assert_array_equal(
            found.indices[found.indptr[cell] : found.indptr[cell + 1]], expected
        )


def test_a_cross_fit_on_a_graph_within_batches(prepared):
    prepared.obs["batch"] = np.arange(240) % 2
    fit = searched(prepared, within="batch")
    ordinary = fit.gamma.copy()
    sv.tl.velocity(prepared, uncertainty=sv.CrossFit(n_repeats=1))
    crossed = prepared.var["velocity_gamma"].to_numpy()
    known = np.isfinite(crossed)
    assert np.corrcoef(ordinary[known], crossed[known])[0, 1] > 0.8
    del prepared.obs["batch"]
    with pytest.raises(KeyError, match=r"within='batch' is not a column .*; .*restore it"):
        sv.tl.velocity(prepared, uncertainty=sv.CrossFit(n_repeats=1))


def test_a_sample_has_enough_cells_of_every_batch(prepared, monkeypatch):
    monkeypatch.setattr(_sampled_fit, "MOST_CELLS", 100)
    monkeypatch.setattr(_sampled_fit, "_SAMPLE", 60)
    batch = np.where(np.arange(240) % 12 == 0, "few", "many")
    prepared.obs["batch"] = batch
    fit = searched(prepared, within="batch", metric="correlation")
    sample, cells = sampled_fit(fit, np.zeros(240, dtype=int), "pca")
    assert (batch[cells] == "few").sum() == 14
    params = sample.adata.uns["neighbors"]["params"]
    assert (params["within"], params["metric"]) == ("batch", "correlation")
    # with fewer cells that are used, all are compared
    used = (batch == "many") | (np.arange(240) < 120)
    found, cells = sampled_fit(fit, np.zeros(240, dtype=int), "pca", among=used)
    assert found is fit
    assert len(cells) == 240


def test_other_numbers_of_neighbours_fit_into_the_smallest_batch(prepared):
    prepared.obs["batch"] = np.where(np.arange(240) % 12 == 0, "few", "many")
    searched(prepared, within="batch")
    sv.tl.velocity_graph(prepared)
    sv.tl.velocity_embedding(prepared, basis="pca")
    sv.tl.sensitivity(prepared, basis="pca")
    settings = list(sv.get.sensitivity(prepared).index)
    assert [name for name in settings if "neighbours" in name] == ["6 neighbours", "19 neighbours"]
