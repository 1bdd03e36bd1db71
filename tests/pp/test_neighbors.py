"""Neighbours against scanpy, and odd representations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from sklearn.metrics.pairwise import cosine_distances

import steadyvelo as sv
from steadyvelo.pp import _nearest
from steadyvelo.pp._components import Covariance, components
from steadyvelo.pp._expression import LogExpression


def test_graphs_are_those_of_scanpy(counts):
    sv.pp.size_factors(counts)
    sv.pp.neighbors(counts, n_neighbors=12, n_pcs=8)
    theirs = counts.copy()
    sc.pp.neighbors(theirs, n_neighbors=12, n_pcs=8)
    assert abs(counts.obsp["distances"] - theirs.obsp["distances"]).max() < 1e-6
    assert abs(counts.obsp["connectivities"] - theirs.obsp["connectivities"]).max() < 1e-5
    same = counts.obsp["connectivities"].astype(bool) != theirs.obsp["connectivities"].astype(bool)
    assert same.nnz == 0


def test_principal_components_are_those_of_log_normalised_used_genes(counts):
    sv.pp.size_factors(counts)
    counts.var["genes_used"] = np.arange(60) < 40
    sv.pp.neighbors(counts, n_neighbors=10, n_pcs=5)
    theirs = sc.AnnData(counts.layers["spliced"].astype(np.float32))
    factor = counts.obs["size_factor_spliced"].to_numpy()
    theirs.X = np.log1p(theirs.X.toarray() / factor[:, None])
    theirs = theirs[:, :40].copy()
    sc.pp.pca(theirs, n_comps=5)
    ours, expected = counts.obsm["X_pca"], theirs.obsm["X_pca"]
    cosine = (
        (ours * expected).sum(0) / np.linalg.norm(ours, axis=0) / np.linalg.norm(expected, axis=0)
    )
    assert abs(cosine).min() > 0.999


def test_scanpy_reads_the_graph(prepared):
    sc.tl.umap(prepared, maxiter=5)
    assert np.isfinite(prepared.obsm["X_umap"]).all()


def test_another_name_leaves_the_default_graph(prepared):
    before = prepared.obsp["distances"].copy()
    sv.pp.neighbors(prepared, n_neighbors=8, key_added="few")
    assert abs(prepared.obsp["distances"] - before).nnz == 0
    assert prepared.obsp["few_distances"].nnz == 240 * 7
    sv.tl.velocity(prepared, neighbors_key="few")
    sv.tl.velocity_graph(prepared, neighbors_key="few")
    assert prepared.uns["velocity_params"]["neighbors_key"] == "few"


def test_an_external_representation_is_used(prepared):
    rng = np.random.default_rng(0)
    prepared.obsm["X_scvi"] = rng.normal(size=(240, 3))
    sv.pp.neighbors(prepared, n_neighbors=5, use_rep="X_scvi")
    distance = np.linalg.norm(prepared.obsm["X_scvi"] - prepared.obsm["X_scvi"][0], axis=1)
    assert set(prepared.obsp["distances"][[0]].indices) == set(np.argsort(distance)[1:5])


@pytest.mark.parametrize("recall", [0.6, 0.99])
def test_approximate_search_above_the_exact_limit(monkeypatch, recall):
    x = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
    exact, true = _nearest.nearest_neighbors(x, 10)
    monkeypatch.setattr(_nearest, "EXACT_CELLS", 100)
    found, distances = _nearest.nearest_neighbors(x, 10, recall=recall)
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, found, strict=True)])
    assert shared > recall - 0.02
    # few lists are enough for a small recall
    assert shared > 0.98 or recall < 0.9
    assert (found[:, 0] == np.arange(3000)).all()
    assert (np.diff(distances, axis=1) >= 0).all()
    same = (found == exact).all(axis=1)
    np.testing.assert_allclose(distances[same], true[same], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("most_exact", [1_000, 10])
def test_values_whose_squares_are_too_large_are_refused(prepared, monkeypatch, most_exact):
    monkeypatch.setattr(_nearest, "EXACT_CELLS", most_exact)
    x = np.random.default_rng(0).normal(size=(240, 4))
    prepared.obsm["X_wide"] = x * 1e19
    with pytest.raises(ValueError, match="divide all values by the same number"):
        sv.pp.neighbors(prepared, n_neighbors=10, use_rep="X_wide")
    prepared.obsm["X_wide"] /= 1e19
    sv.pp.neighbors(prepared, n_neighbors=10, use_rep="X_wide")


def test_exact_neighbours_of_near_cells_far_from_zero():
    rng = np.random.default_rng(0)
    x = (1000 + rng.normal(size=(500, 6))).astype(np.float32)
    found, distances = _nearest.nearest_neighbors(x, 10)
    apart = np.linalg.norm(x[:, None].astype(float) - x[None], axis=2)
    np.testing.assert_array_equal(found, np.argsort(apart, axis=1, kind="stable")[:, :10])
    np.testing.assert_allclose(distances, np.sort(apart, axis=1)[:, :10], rtol=1e-5)


def test_approximate_search_among_copies(monkeypatch):
    x = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    x[1:40] = x[0]
    monkeypatch.setattr(_nearest, "EXACT_CELLS", 100)
    found, distances = _nearest.nearest_neighbors(x, 10)
    assert (found[:, 0] == np.arange(600)).all()
    assert (distances[:40] == 0).all()
    assert all(len(set(row)) == 10 for row in found)


def test_duplicated_cells_are_neighbours_at_distance_zero(prepared):
    x = np.random.default_rng(0).normal(size=(240, 4))
    x[1:20] = x[0]
    prepared.obsm["X_pca"] = x
    with pytest.warns(sv.SteadyveloWarning, match="19 cells are exact copies"):
        sv.pp.neighbors(prepared, n_neighbors=10)
    distances = prepared.obsp["distances"]
    assert (np.diff(distances.indptr) == 9).all()
    assert (distances[[0]].data == 0).all()
    assert 0 not in distances[[0]].indices
    assert np.isfinite(prepared.obsp["connectivities"].data).all()


def test_components_are_those_of_a_singular_value_decomposition():
    rng = np.random.default_rng(0)
    low = rng.normal(size=(2500, 5)) @ rng.normal(size=(5, 40)) * np.arange(1, 41)
    counts = sp.csr_matrix(np.maximum(low, 0), dtype=np.float32)
    genes, factor = np.arange(40) % 4 != 0, rng.uniform(0.5, 2, 2500)
    scale = rng.uniform(0.5, 1, 30).astype(np.float32)
    values = replace(LogExpression.of(counts, genes, factor), scale=scale)
    found, loadings = components(values, 4)
    logs = np.log1p(counts.toarray().astype(np.float64)[:, genes] / factor[:, None])
    deviations = Covariance.of(values, np.arange(2500)).deviations()
    np.testing.assert_allclose(deviations, logs.std(axis=0) * scale, rtol=1e-5)
    np.testing.assert_allclose(values.matrix().toarray(), logs * scale, rtol=1e-5)
    centred = logs * scale
    centred -= centred.mean(axis=0)
    u, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    expected = u[:, :4] * sizes[:4]
    expected *= np.sign((expected * found).sum(axis=0))
    np.testing.assert_allclose(found, expected, atol=1e-3 * sizes[3] / 50)
    assert found.dtype == np.float32
    np.testing.assert_allclose(centred @ loadings, found, atol=1e-3 * sizes[3] / 50)
    # directions from some cells, of all cells
    some = components(values, 4, cells=np.arange(0, 2500, 2)).of_cells
    cosine = (some * found).sum(0) / np.linalg.norm(some, axis=0) / np.linalg.norm(found, axis=0)
    assert cosine.min() > 0.97
    assert (some != found).any()


def test_components_of_many_genes_are_those_of_few(monkeypatch):
    rng = np.random.default_rng(1)
    counts = sp.csr_matrix(rng.poisson(1.0, (300, 60)) * np.arange(60), dtype=np.float32)
    values = LogExpression.of(counts, np.ones(60, dtype=bool), None)
    few, of_few = components(values, 3)
    monkeypatch.setattr("steadyvelo.pp._components.MOST_GENES", 10)
    many, of_many = components(values, 3)
    np.testing.assert_allclose(np.abs(many), np.abs(few), rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(np.abs(of_many), np.abs(of_few), rtol=1e-3, atol=1e-3)


def test_neighbours_within_groups_are_the_nearest_of_the_group():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    # one group has fewer cells than neighbours, and one a single cell
    groups = np.repeat([3, 1, 0, 7], [39, 15, 5, 1])[rng.permutation(60)]
    indptr, indices = _nearest.nearest_within(x, groups, 9)
    far = ((x[:, None] - x) ** 2).sum(axis=2)
    for cell in range(60):
        others = np.flatnonzero((groups == groups[cell]) & (np.arange(60) != cell))
        expected = others[np.argsort(far[cell, others])][:9]
        np.testing.assert_array_equal(indices[indptr[cell] : indptr[cell + 1]], expected)


METRICS = {"cosine": cosine_distances, "correlation": lambda x: 1 - np.corrcoef(x)}


@pytest.mark.parametrize("metric", METRICS)
def test_graphs_by_other_metrics_are_those_of_scanpy(prepared, metric):
    theirs = prepared.copy()
    sv.pp.neighbors(prepared, n_neighbors=12, n_pcs=8, metric=metric)
    sc.pp.neighbors(theirs, n_neighbors=12, n_pcs=8, metric=metric)
    assert abs(prepared.obsp["distances"] - theirs.obsp["distances"]).max() < 1e-6
    assert abs(prepared.obsp["connectivities"] - theirs.obsp["connectivities"]).max() < 1e-4
    assert prepared.uns["neighbors"]["params"]["metric"] == metric
    # the numbers themselves
    x = prepared.obsm["X_pca"][:, :8].astype(float)
    expected = METRICS[metric](x)
    found = prepared.obsp["distances"].tocoo()
    np.testing.assert_allclose(found.data, expected[found.row, found.col], atol=1e-6)
    np.fill_diagonal(expected, np.inf)
    nearest = np.sort(expected, axis=1)[:, :11]
    np.testing.assert_allclose(np.sort(found.data.reshape(240, 11), axis=1), nearest, atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_an_approximate_search_by_another_metric(monkeypatch, metric):
    x = (1 + np.random.default_rng(0).normal(size=(2000, 8))).astype(np.float32)
    rows = _nearest.comparable_rows(x, metric)
    monkeypatch.setattr(_nearest, "EXACT_CELLS", 100)
    found, distances = _nearest.nearest_neighbors(rows, 10)
    expected = METRICS[metric](x.astype(float))
    np.fill_diagonal(expected, -1)
    true = np.argsort(expected, axis=1)[:, :10]
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(true, found, strict=True)])
    assert shared > 0.97
    far = np.take_along_axis(expected, found.astype(int), axis=1)[:, 1:]
    np.testing.assert_allclose(distances[:, 1:].astype(float) ** 2 / 2, far, atol=1e-5)


@pytest.mark.parametrize(
    ("metric", "row", "message"),
    [
        ("cosine", 0.0, r"metric='cosine' cannot be computed for 2 cells \('cell 4', 'cell 8'\)"),
        ("correlation", 0.1, "have the same value in all dimensions in the representation"),
    ],
)
def test_cells_without_a_direction_are_refused(prepared, metric, row, message):
    x = np.random.default_rng(0).normal(size=(240, 5))
    x[3], x[7] = row, 2 * row
    prepared.obsm["X_mine"] = x
    before = prepared.obsp["distances"].copy()
    if row:
        with pytest.raises(ValueError, match=message):
            sv.pp.neighbors(prepared, n_neighbors=5, use_rep="X_mine", metric=metric)
    else:
        with (
            pytest.warns(sv.SteadyveloWarning, match="1 cells are exact copies"),
            pytest.raises(ValueError, match=message),
        ):
            sv.pp.neighbors(prepared, n_neighbors=5, use_rep="X_mine", metric=metric)
    assert abs(prepared.obsp["distances"] - before).nnz == 0


def test_neighbours_within_batches_are_those_of_each_batch_alone(prepared):
    batch = np.array(["a", "b", "c"])[np.random.default_rng(0).choice(3, 240, p=[0.5, 0.3, 0.2])]
    prepared.obs["batch"] = batch
    sv.pp.neighbors(prepared, n_neighbors=12, n_pcs=8, within="batch", metric="cosine")
    assert prepared.uns["neighbors"]["params"]["within"] == "batch"
    for name in "abc":
        inside = batch == name
        alone = prepared[inside].copy()
        sv.pp.neighbors(alone, n_neighbors=12, n_pcs=8, metric="cosine")
        for graph, bound in (("distances", 1e-6), ("connectivities", 1e-5)):
            whole = prepared.obsp[graph][inside]
            assert whole[:, ~inside].nnz == 0
            assert abs(whole[:, inside] - alone.obsp[graph]).max() < bound
    assert (np.diff(prepared.obsp["distances"].indptr) == 11).all()


def test_moments_and_walks_stay_within_batches(prepared):
    prepared.obs["batch"] = np.arange(240) % 2
    sv.pp.neighbors(prepared, n_neighbors=15, n_pcs=8, within="batch")
    # a gene that one batch does not express
    counts = prepared.layers["spliced"].tolil()
    counts[1::2, 5] = 0
    prepared.layers["spliced"] = counts.tocsr()
    sv.tl.velocity(prepared)
    assert (prepared.layers["Ms"][1::2, 5] == 0).all()
    sv.tl.velocity_graph(prepared)
    sv.tl.transition_matrix(prepared, diffusion=0.2)
    between = prepared.obsp["velocity_transitions"][::2][:, 1::2]
    assert between.nnz == 0


@pytest.mark.parametrize(
    ("column", "options", "error", "message"),
    [
        (None, {}, KeyError, r"within='batch' is not a column of adata\.obs"),
        (
            np.repeat(["a", "b"], [230, 10]),
            {"n_neighbors": 10},
            ValueError,
            r"n_neighbors=10 is too large for the 10 cells of 'b' in obs\['batch'\]",
        ),
        (
            pd.Categorical(np.repeat(["a", None], [200, 40])),
            {},
            ValueError,
            r"obs\['batch'\] has no value for 40 cells \('cell 201', ",
        ),
        (np.linspace(0, 1, 240), {}, ValueError, "within='batch' does not group the cells"),
    ],
)
def test_groups_that_cannot_be_used_are_refused(prepared, column, options, error, message):
    if column is not None:
        prepared.obs["batch"] = column
    before = prepared.obsp["distances"].copy()
    with pytest.raises(error, match=message):
        sv.pp.neighbors(prepared, within="batch", **options)
    assert abs(prepared.obsp["distances"] - before).nnz == 0


def test_loadings_give_the_components(counts):
    sv.pp.size_factors(counts)
    counts.var["genes_used"] = np.arange(60) < 40
    sv.pp.neighbors(counts, n_neighbors=10, n_pcs=5)
    loadings = counts.varm["PCs"]
    assert loadings.dtype == np.float32
    assert (loadings[40:] == 0).all()
    factor = counts.obs["size_factor_spliced"].to_numpy()
    logs = np.log1p(counts.layers["spliced"].toarray() / factor[:, None])
    np.testing.assert_allclose(
        (logs - logs.mean(axis=0)) @ loadings, counts.obsm["X_pca"], atol=1e-4
    )
    # scanpy's loadings of the same values
    theirs = sc.AnnData(logs.astype(np.float32)[:, :40])
    sc.pp.pca(theirs, n_comps=5)
    cosine = (theirs.varm["PCs"] * loadings[:40]).sum(axis=0)
    np.testing.assert_allclose(abs(cosine), 1, atol=1e-3)


def test_a_graph_that_is_found_again_has_the_same_groups_and_metric(counts):
    counts.obs["batch"] = np.arange(240) % 2
    options = {"n_neighbors": 12, "n_pcs": 8, "metric": "correlation", "within": "batch"}
    fast = {"basis": "pca", "uncertainty": None}
    result = sv.run(counts, neighbors=sv.Neighbors(**options), **fast)
    part = result[np.arange(240) % 5 > 0].copy()
    again = sv.run(part, **fast)
    params = again.uns["neighbors"]["params"]
    assert {name: params[name] for name in options} == options
    with pytest.raises(KeyError, match="within='lane' is not a column"):
        sv.run(counts, neighbors=sv.Neighbors(within="lane"), **fast)
