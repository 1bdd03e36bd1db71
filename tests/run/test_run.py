"""All steps in one call: options reach their step, the input stays as it is."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._run._used_part import sharing_counts

FAST = {
    "basis": "pca",
    "neighbors": sv.Neighbors(n_neighbors=15, n_pcs=10),
    "uncertainty": None,
}


def test_the_input_is_left_alone(counts):
    before = joblib.hash(counts)
    sv.run(counts, **FAST)
    assert joblib.hash(counts) == before


def memory(matrix):
    return matrix.data if sp.issparse(matrix) else matrix


@pytest.mark.parametrize("with_x", [True, False])
@pytest.mark.parametrize("n_genes", [60, 40])
def test_a_result_shares_no_memory_with_the_input(counts, with_x, n_genes):
    counts.X = counts.layers["spliced"].copy() if with_x else None
    chosen = {"min_shared_counts": 1e9, "retain": list(counts.var_names[:n_genes])}
    result = sv.run(counts, **chosen, **FAST)
    assert result.n_vars == n_genes
    inputs = [x for x in (counts.X, *counts.layers.values()) if x is not None]
    results = [result.X, result.layers["spliced"], result.layers["unspliced"]]
    for k, ours in enumerate(results):
        for theirs in (*inputs, *results[:k]):
            assert not np.may_share_memory(memory(ours), memory(theirs))
    genes = counts.var_names.get_indexer(result.var_names)
    spliced = counts.layers["spliced"][:, genes]
    assert abs(result.layers["spliced"] - spliced).sum() == abs(result.X - spliced).sum() == 0


def test_counts_are_not_copied_for_a_caller_that_drops_them(counts):
    with sharing_counts():
        result = sv.run(counts, min_shared_counts=0, **FAST)
    for name in ("spliced", "unspliced"):
        assert np.may_share_memory(memory(result.layers[name]), memory(counts.layers[name]))


@pytest.mark.parametrize("with_x", [True, False])
def test_such_a_caller_has_the_counts_of_used_genes_once(counts, with_x):
    counts.X = counts.layers["spliced"].copy() if with_x else None
    counts.layers["other"] = counts.layers["spliced"].toarray()
    chosen = {"min_shared_counts": 1e9, "retain": list(counts.var_names[:40])}
    expected = sv.run(counts, **chosen, **FAST)
    with sharing_counts():
        result = sv.run(counts, **chosen, **FAST)
    assert counts.X is None
    # anndata 0.13 stores X as the layer None
    there = [{name for name in x.layers if name is not None} for x in (counts, result, expected)]
    assert there[0] == set()
    assert abs(result.X - expected.X).sum() == 0
    assert there[1] == there[2]
    for name in ("spliced", "unspliced", "other", "velocity"):
        assert abs(result.layers[name] - expected.layers[name]).sum() == 0


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
    counts.obs["sample"] = np.arange(240) % 6
    counts.obs["size"] = np.arange(1.0, 241)
    result = sv.run(
        counts,
        basis="mine",
        neighbors=sv.Neighbors(n_neighbors=15, use_rep="X_mine"),
        uncertainty=sv.Sandwich(level=0.8),
        min_shared_counts=1e5,
        retain=list(counts.var_names[3:30]),
        weights=sv.Extremes(0.1, 0.8),
        offset="nonnegative",
        min_r2=0.05,
        min_gamma=0.02,
        size_factors=sv.SizeFactors(unspliced_size="size"),
        sample_key="sample",
    )
    assert list(result.var_names) == list(counts.var_names[3:30])
    assert result.uns["neighbors"]["params"]["use_rep"] == "X_mine"
    params = result.uns["velocity_params"]
    assert params["quantiles"].tolist() == [0.1, 0.8]
    assert params["offset"] == "nonnegative"
    assert (params["uncertainty"], params["level"]) == ("sandwich", 0.8)
    assert params["sample_key"] == "sample"
    assert (params["min_r2"], params["min_gamma"]) == (0.05, 0.02)
    np.testing.assert_allclose(result.obs["size_factor_unspliced"], np.arange(1, 241) / 120.5)
    assert result.uns["velocity_all_genes"]["genes_used"].sum() == 27


def test_categories_get_separate_ratios(counts, said):
    names = counts.obs["branch"].astype(str).to_numpy(dtype=object)
    names[::40], names[5::24] = "rare", None
    counts.obs["lineage"] = pd.Categorical(names)
    options = {"gamma_by": "lineage", "uncertainty": "sandwich"}
    result = sv.run(counts, **FAST | options)
    sv.pp.size_factors(counts)
    sv.pp.filter_genes(counts, subset=True)
    sv.pp.neighbors(counts, n_neighbors=15, n_pcs=10)
    sv.tl.velocity(counts, **options)
    sv.tl.velocity_graph(counts)
    sv.tl.velocity_embedding(counts, basis="pca")
    table = sv.get.category_ratios(result)
    pd.testing.assert_frame_equal(table, sv.get.category_ratios(counts))
    np.testing.assert_array_equal(result.obsm["velocity_pca"], counts.obsm["velocity_pca"])
    (line,) = [each for each in said if each.startswith("ratios ")]
    assert "4 categories of obs['lineage'] have separate ratios; " in line
    most = table.groupby("category", observed=True)["common"].sum()
    assert (
        f"most often for {most.idxmax()} ({most.max()} of {table['gene'].nunique()} genes)" in line
    )
    assert "; 10 cells without a category have the common ratios; " in line
    assert "verdicts: none, because they need uncertainty='crossfit' without gamma_by" in said
    with pytest.warns(sv.SteadyveloWarning, match=r"verdicts .*='crossfit' without gamma_by\."):
        sv.run(counts, groupby="branch", **FAST | options)


def test_bounds_reach_the_fit(counts, said):
    bounds = {"gamma_bounds": (0.1, 0.3), "offset_bounds": (0.0, np.inf)}
    result = sv.run(counts, offset=True, **bounds, **FAST)
    assert result.var["velocity_gamma"].dropna().between(0.1, 0.3).all()
    assert result.var["velocity_offset"].min() == 0
    assert "verdicts: none, because they need uncertainty='crossfit' without bounds" in said


def test_without_clusters_there_are_no_verdicts(counts, said):
    result = sv.run(counts, **FAST | {"groupby": None, "uncertainty": sv.CrossFit(n_repeats=1)})
    assert "No clusters were given, so there are no verdicts." in "\n".join(said)
    assert "groupby=" not in "\n".join(said)
    assert "velocity_reliability" not in result.uns
    assert "groups" not in sv.get.quality_checks(result).index


def test_a_named_graph_is_used(prepared):
    sv.pp.neighbors(prepared, n_neighbors=5, key_added="few")
    result = sv.run(prepared, neighbors="few", basis="pca", uncertainty=None)
    assert result.uns["velocity_params"]["neighbors_key"] == "few"
    assert result.uns["velocity_params"]["graph_neighbors_key"] == "few"
    default = sv.run(prepared, basis="pca", uncertainty=None)
    assert (default.var["velocity_gamma"] != result.var["velocity_gamma"]).any()


def test_common_sizes_and_memory(counts):
    result = sv.run(counts, **FAST, size_factors="common", dense=False, max_memory=1e5)
    assert result.uns["size_factor_params"]["method"] == "common"
    assert "velocity" not in result.layers
    with pytest.raises(MemoryError, match="dense=False"):
        sv.run(counts, **FAST, dense=True, max_memory=1e5)
    # layers that nobody asked for are left out if they are too large
    assert "velocity" not in sv.run(counts, **FAST, max_memory=1e5).layers
    with pytest.raises(ValueError, match="max_memory must be a positive number"):
        sv.run(counts, **FAST, max_memory=float("nan"))


def test_a_graph_alone_in_obsp_is_enough_for_an_embedding(prepared):
    del prepared.uns["neighbors"], prepared.obsm["X_pca"]
    result = sv.run(prepared, uncertainty=None)
    assert np.isfinite(result.obsm["velocity_umap"]).all()


def test_progress_is_told_for_all_steps_together(counts):
    seen = []
    sv.run(counts, **FAST, progress=seen.append)
    assert seen == sorted(seen)
    assert len(set(seen)) > 6
    assert 0 < seen[0] < 0.1
    assert seen[-1] == 1.0


def test_x_is_spliced_where_there_was_none(counts):
    counts.X = None
    result = sv.run(counts, **FAST)
    assert abs(sp.csr_matrix(result.X) - result.layers["spliced"]).nnz == 0


def test_sizes_of_one_layer_are_not_taken_for_another(counts):
    sv.pp.size_factors(counts)
    counts.layers["other"] = counts.layers["spliced"] * 2
    result = sv.run(counts, spliced="other", **FAST)
    assert result.uns["size_factor_params"]["spliced_size"] == "layer"
    np.testing.assert_array_equal(
        result.obs["n_counts_spliced"], 2 * counts.obs["n_counts_spliced"]
    )


def test_clusters_and_embedding_are_found_and_said(counts, said):
    result = sv.run(counts, uncertainty=sv.CrossFit(n_repeats=1))
    assert (
        "clusters: obs['clusters'], 6 clusters; name another column with groupby= (--groupby)"
        in said
    )
    assert "embedding: none found in obsm; a UMAP will be computed" in said
    assert result.uns["velocity_run"]["basis"] == "umap"
    assert set(sv.get.verdicts(result).index) == set(counts.obs["clusters"].cat.categories)
    again = sv.run(result, uncertainty=sv.CrossFit(n_repeats=1))
    assert "embedding: obsm['X_umap']; name another with basis= (--basis)" in said
    assert any(line.startswith("neighbours: the graph in adata") for line in said)
    assert any(line.startswith(("supported", "weak", "not supported")) for line in said)
    np.testing.assert_array_equal(again.obsm["X_umap"], result.obsm["X_umap"])


def test_why_no_clusters_are_found_is_said(counts, said):
    many = counts.copy()
    many.obs["clusters"] = [f"cluster {k % 120}" for k in range(many.n_obs)]
    sv.run(many, uncertainty=sv.CrossFit(n_repeats=1), basis="pca", neighbors=FAST["neighbors"])
    assert (
        "clusters: none found (obs['clusters'] has 120 different values, and clusters are 1 to "
        "100); name a column with groupby=" in said
    )
    del many.obs["clusters"]
    sv.run(many, uncertainty=sv.CrossFit(n_repeats=1), basis="pca", neighbors=FAST["neighbors"])
    assert any(line.startswith("clusters: none found (obs has none of 'clusters'") for line in said)


def test_nothing_is_said_at_verbosity_0(counts, capfd):
    with sv.settings.override(verbosity=0):
        sv.run(counts, **FAST)
    assert capfd.readouterr() == ("", "")


def test_verdicts_that_cannot_be_are_said(counts, said):
    sv.run(counts, **FAST)
    assert "verdicts: none, because they need uncertainty='crossfit'" in said
    with pytest.warns(sv.SteadyveloWarning, match="groupby='clusters' has no effect"):
        sv.run(counts, **FAST, groupby="clusters")


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"groupby": "nope"}, KeyError, "nope"),
        ({"groupby": "true_time"}, ValueError, "240 different values"),
        ({"basis": "zzz"}, KeyError, "basis='zzz' is not in adata.obsm"),
        ({"sample_key": "q"}, KeyError, "q"),
        ({"sample_key": "clusters", "uncertainty": None}, ValueError, "has no effect"),
        ({"neighbors": "foo"}, KeyError, "foo"),
        ({"neighbors": sv.Neighbors(use_rep="X_scVI")}, KeyError, "X_scVI"),
        ({"uncertainty": sv.CrossFit(gene_clusters="module")}, KeyError, "module"),
        ({"n_threads": 0}, ValueError, "n_threads"),
        ({"gamma_by": "nope"}, KeyError, "gamma_by='nope' is not a column"),
        ({"gamma_by": "true_time", "uncertainty": None}, ValueError, "does not group the cells"),
        (
            {"gamma_by": "branch"},
            ValueError,
            r"'crossfit' cannot be used with gamma_by='branch'.*\(--uncertainty sandwich\)",
        ),
        (
            {"gamma_by": "branch", "mode": "stochastic", "uncertainty": None},
            ValueError,
            r"with gamma_by='branch'.*\(--mode deterministic\)",
        ),
        ({"gamma_bounds": (0, 1)}, ValueError, "gamma_bounds cannot be used with uncertainty="),
        (
            {"offset_bounds": (0, 1), "uncertainty": None},
            ValueError,
            r"need a free offset.*\(--offset free\)",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_computed(
    counts, monkeypatch, dry, options, error, match
):
    monkeypatch.setattr("steadyvelo.pp.size_factors", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(error, match=match):
        (sv.plan if dry else sv.run)(counts, **options)


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"standard errors need the counts .* uncertainty=None \(--uncertainty none\)"),
        (
            {"uncertainty": None, "gamma_by": "branch"},
            "ratios of categories .* need the counts .* or leave gamma_by out",
        ),
        (
            {"uncertainty": None, "mode": "stochastic"},
            r"second moments need the counts .* \(--mode deterministic\)",
        ),
    ],
)
def test_layers_of_another_tool_are_refused_before_anything_is_computed(
    counts, monkeypatch, dry, options, message
):
    for name in ("spliced", "unspliced"):
        counts.layers[f"M{name[0]}"] = counts.layers[name].toarray()
    monkeypatch.setattr("steadyvelo.pp.size_factors", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(ValueError, match=message):
        (sv.plan if dry else sv.run)(counts, **options)


def test_the_plan_is_that_of_the_run(counts, said):
    options = {"basis": "pca", "uncertainty": None, "max_memory": "3MB", "n_threads": 1}
    planned = str(sv.plan(counts, **options))
    sv.run(counts, **options)
    assert f"plan: {planned}" in said
