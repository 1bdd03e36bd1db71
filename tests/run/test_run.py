"""All steps in one call: options reach their step, the input stays as it is."""

from __future__ import annotations

import joblib
import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv

FAST = {"basis": "pca", "n_neighbors": 15, "n_pcs": 10}


def test_the_input_is_left_alone(counts):
    before = joblib.hash(counts)
    sv.run(counts, **FAST)
    assert joblib.hash(counts) == before


def test_it_is_the_steps_one_by_one(counts):
    result = sv.run(counts, **FAST)
    sv.pp.size_factors(counts)
    sv.pp.filter_genes(counts, subset=True)
    sv.pp.neighbors(counts, n_neighbors=15, n_pcs=10)
    sv.tl.velocity(counts)
    sv.tl.velocity_graph(counts)
    sv.tl.velocity_embedding(counts, basis="pca")
    np.testing.assert_array_equal(result.obsm["velocity_pca"], counts.obsm["velocity_pca"])
    np.testing.assert_array_equal(result.layers["velocity"], counts.layers["velocity"])


def test_options_reach_their_step(counts):
    counts.obsm["X_mine"] = np.random.default_rng(0).normal(size=(240, 4))
    counts.obs["size"] = np.arange(1.0, 241)
    result = sv.run(
        counts,
        **{**FAST, "basis": "mine"},
        use_rep="X_mine",
        min_shared_counts=1e5,
        retain=["gene 3", "gene 4", "gene 5"],
        quantiles=(0.1, 0.8),
        weights="extremes",
        offset="nonnegative",
        min_r2=-5,
        min_gamma=-1,
        unspliced_size="size",
        size_factor_method="per_layer",
    )
    assert list(result.var_names) == ["gene 3", "gene 4", "gene 5"]
    assert result.uns["neighbors"]["params"]["use_rep"] == "X_mine"
    params = result.uns["velocity_params"]
    assert params["quantiles"].tolist() == [0.1, 0.8]
    assert params["offset"] == "nonnegative"
    assert (params["min_r2"], params["min_gamma"]) == (-5, -1)
    np.testing.assert_allclose(result.obs["size_factor_unspliced"], np.arange(1, 241) / 120.5)
    assert result.uns["velocity_all_genes"]["genes_used"].sum() == 3


def test_a_named_graph_is_used(prepared):
    sv.pp.neighbors(prepared, n_neighbors=5, key_added="few")
    result = sv.run(prepared, neighbors_key="few", basis="pca")
    assert result.uns["velocity_params"]["neighbors_key"] == "few"
    assert result.uns["velocity_params"]["graph_neighbors_key"] == "few"
    default = sv.run(prepared, basis="pca")
    assert (default.var["velocity_gamma"] != result.var["velocity_gamma"]).any()


def test_common_sizes_and_memory(counts):
    result = sv.run(counts, **FAST, size_factor_method="common", dense=False, max_memory=1e5)
    assert result.uns["size_factor_params"]["method"] == "common"
    assert "velocity" not in result.layers
    with pytest.raises(MemoryError, match="dense=False"):
        sv.run(counts, **FAST, max_memory=1e5)
    with pytest.raises(ValueError, match="max_memory must be a positive number"):
        sv.run(counts, **FAST, max_memory=float("nan"))


def test_a_graph_alone_in_obsp_is_enough_for_an_embedding(prepared):
    del prepared.uns["neighbors"], prepared.obsm["X_pca"]
    result = sv.run(prepared)
    assert np.isfinite(result.obsm["velocity_umap"]).all()


def test_progress_is_reported_for_every_step(counts):
    seen = []
    sv.run(counts, **FAST, report=lambda step, share: seen.append((step, share)))
    ended = [step for step, share in seen if share == 1.0]
    assert ended == [
        "size factors",
        "genes",
        "neighbours",
        "fit and velocities",
        "velocity graph",
        "arrows",
    ]


def test_x_is_spliced_where_there_was_none(counts):
    counts.X = None
    result = sv.run(counts, **FAST)
    assert abs(sp.csr_matrix(result.X) - result.layers["spliced"]).nnz == 0


def test_sizes_of_one_layer_are_not_taken_for_another(counts):
    sv.pp.size_factors(counts)
    counts.layers["other"] = counts.layers["spliced"] * 2
    result = sv.run(counts, spliced="other", basis="pca", n_neighbors=15, uncertainty=None)
    assert result.uns["size_factor_params"]["spliced_size"] == "layer"
    np.testing.assert_array_equal(
        result.obs["n_counts_spliced"], 2 * counts.obs["n_counts_spliced"]
    )
