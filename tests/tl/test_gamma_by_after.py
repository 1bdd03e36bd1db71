"""What follows a fit with separate ratios of categories uses them, or is refused."""

from __future__ import annotations

import json

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._adata._draws import Names

KEY = "branch"


@pytest.fixture(scope="module")
def _by_branch(_prepared):
    adata = _prepared.copy()
    sv.tl.velocity(adata, gamma_by=KEY)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="pca")
    return adata


@pytest.fixture
def by_branch(_by_branch):
    """Fit with a ratio of each branch, its graph and arrows."""
    return _by_branch.copy()


@pytest.fixture
def lean(_by_branch):
    """The same without dense layers."""
    adata = _by_branch.copy()
    sv.tl.velocity(adata, gamma_by=KEY, dense=False)
    for name in ("Ms", "Mu"):
        adata.layers.pop(name, None)
    return adata


def raw_deviations(adata):
    """ũ − γs̃ of every cell with the ratio of its branch, cells × genes."""
    s, u = (
        adata.layers[kind].toarray() / adata.obs[f"size_factor_{kind}"].to_numpy()[:, None]
        for kind in ("spliced", "unspliced")
    )
    table = sv.get.category_ratios(adata)
    gamma = table.pivot_table("gamma", index="category", columns="gene", observed=True)
    return u - gamma.loc[adata.obs[KEY].astype(str), adata.var_names].to_numpy() * s


def smoothing(adata):
    graph = (adata.obsp["connectivities"].toarray() != 0) | np.eye(adata.n_obs, dtype=bool)
    return graph / graph.sum(axis=1, keepdims=True)


def test_the_graph_correlates_their_velocities(by_branch):
    genes = by_branch.var["velocity_genes"].to_numpy()
    velocity = (smoothing(by_branch) @ raw_deviations(by_branch))[:, genes]
    ms = by_branch.layers["Ms"][:, genes].astype(float)
    graph = sp.csr_array(by_branch.obsp["velocity_graph"] + by_branch.obsp["velocity_graph_neg"])
    edges = graph.tocoo()
    some = np.random.default_rng(0).choice(edges.nnz, 300, replace=False)
    for i, j, value in zip(edges.row[some], edges.col[some], edges.data[some], strict=True):
        expected = np.corrcoef(ms[j] - ms[i], velocity[i])[0, 1]
        assert value == pytest.approx(expected, abs=2e-4)


def test_without_dense_layers_results_are_the_same(by_branch, lean):
    sv.tl.velocity_graph(lean)
    sv.tl.velocity_embedding(lean, basis="pca")
    assert abs(lean.obsp["velocity_graph"] - by_branch.obsp["velocity_graph"]).max() < 1e-5
    np.testing.assert_allclose(
        lean.obsm["velocity_pca"], by_branch.obsm["velocity_pca"], rtol=0, atol=1e-4
    )
    for adata in (by_branch, lean):
        sv.tl.velocity_confidence(adata)
        sv.tl.velocity_pseudotime(adata)
    for column in ("velocity_length", "velocity_confidence", "velocity_pseudotime"):
        np.testing.assert_allclose(lean.obs[column], by_branch.obs[column], rtol=1e-3, atol=1e-4)
    reason = sv.get.pseudotime_orientation(by_branch).reason
    assert "separate ratios of categories of cells (gamma_by)" in reason


def test_length_is_that_of_their_velocities(by_branch):
    sv.tl.velocity_confidence(by_branch)
    genes = by_branch.var["velocity_genes"].to_numpy()
    velocity = (smoothing(by_branch) @ raw_deviations(by_branch))[:, genes]
    length = np.linalg.norm(velocity - velocity.mean(axis=1, keepdims=True), axis=1)
    np.testing.assert_allclose(by_branch.obs["velocity_length"], length, rtol=1e-4)


def test_controls_flip_their_deviations(by_branch, monkeypatch):
    # with all signs +1, a control is the data
    every = np.ones((2, by_branch.n_obs), dtype=np.int8)
    monkeypatch.setattr(Names, "signs", lambda *_: every)
    sv.tl.randomized_velocity(by_branch, basis="pca", n_controls=2)
    controls = by_branch.obsm["velocity_randomized_pca"]
    np.testing.assert_allclose(controls[:, 0], by_branch.obsm["velocity_pca"], atol=1e-4)
    np.testing.assert_allclose(controls[:, 1], by_branch.obsm["velocity_pca"], atol=1e-4)


def test_ranked_genes_have_their_deviations(by_branch):
    sv.tl.rank_velocity_genes(by_branch, KEY)
    table = sv.get.ranked_genes(by_branch, "trunk").set_index("gene")["velocity"]
    inside = (by_branch.obs[KEY] == "trunk").to_numpy()
    mean = raw_deviations(by_branch)[inside].mean(axis=0)
    places = by_branch.var_names.get_indexer(table.index)
    np.testing.assert_allclose(table, mean[places], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kept", [True, False])
def test_scvelo_gets_their_velocities(by_branch, lean, kept):
    adata = by_branch if kept else lean
    if not kept:
        sv.tl.velocity_graph(adata)
    theirs = sv.interop.to_scvelo(adata)
    expected = smoothing(by_branch) @ raw_deviations(by_branch)
    np.testing.assert_allclose(theirs.layers["velocity"], expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kept", [True, False])
def test_exported_files_have_their_velocities(by_branch, lean, kept, tmp_path):
    adata = by_branch if kept else lean
    expected = smoothing(by_branch) @ raw_deviations(by_branch)
    path = tmp_path / "result.loom"
    sv.interop.export(adata, path, tool="loom")
    with h5py.File(path) as file:
        velocity = file["layers/velocity"][()].T
        gamma, common = (file[f"row_attrs/velocity_category_{x}"][()] for x in ("gamma", "common"))
    np.testing.assert_allclose(velocity, expected, rtol=0, atol=2e-5)
    np.testing.assert_array_equal(gamma, adata.varm["velocity_category_gamma"])
    np.testing.assert_array_equal(common, adata.varm["velocity_category_common"])
    assert common.dtype == np.uint8
    sv.tl.velocity_graph(adata)
    theirs = sv.interop.to_cellrank(adata).layers["velocity"]
    np.testing.assert_allclose(theirs, expected, rtol=0, atol=2e-5)


def test_principal_components_get_the_projection_of_their_velocities(lean, by_branch, monkeypatch):
    genes = lean.var["velocity_genes"].to_numpy()
    velocity = (smoothing(lean) @ raw_deviations(lean))[:, genes]
    relative = velocity / (1 + by_branch.layers["Ms"][:, genes])
    expected = relative @ lean.varm["PCs"].astype(float)[genes]
    sv.tl.velocity_embedding(lean, basis="pca", method="projection")
    np.testing.assert_allclose(lean.obsm["velocity_pca"], expected, atol=1e-4 * expected.max())
    # with all signs +1, a control is the data
    every = np.ones((1, lean.n_obs), dtype=np.int8)
    monkeypatch.setattr(Names, "signs", lambda *_: every)
    sv.tl.randomized_velocity(lean, basis="pca", n_controls=1)
    control = lean.obsm["velocity_randomized_pca"][:, 0]
    np.testing.assert_allclose(control, expected, atol=1e-4 * expected.max())


def test_extrapolations_have_their_velocities(lean, by_branch):
    later = sv.get.extrapolated(lean, 0.1)
    expected = by_branch.layers["Ms"] + 0.1 * (smoothing(lean) @ raw_deviations(lean))
    np.testing.assert_allclose(later, np.maximum(expected, 0), rtol=0, atol=2e-5)
    with pytest.raises(ValueError, match=r"'constant_unspliced' need the same ratio .*'branch'"):
        sv.get.extrapolated(lean, 0.1, assumption="constant_unspliced")


def test_controls_of_flows_have_their_deviations(by_branch, monkeypatch):
    # with all signs +1, a control is the data
    every = np.ones((2, by_branch.n_obs), dtype=np.int8)
    monkeypatch.setattr(Names, "signs", lambda *_: every)
    sv.tl.cluster_graph(by_branch, KEY, n_controls=2)
    table = sv.get.cluster_graph(by_branch)
    np.testing.assert_allclose(table["net_se"], abs(table["net"]), rtol=1e-3)


def test_a_part_of_the_settings_may_be_changed(by_branch):
    sv.tl.sensitivity(by_branch, KEY, basis="pca")
    table = sv.get.sensitivity(by_branch)
    assert (table["all"] > 0).all()
    # with the ratio of all cells, arrows would differ from those of the fit
    assert table.loc["quantile 0.9", "all"] > 0.9


def drawn_lines(ax):
    return {line.get_label(): line for line in ax.lines}


def test_phase_portraits_draw_the_line_of_every_category(by_branch):
    table = sv.get.category_ratios(by_branch)
    counted = table.groupby("gene", observed=True)["common"].sum()
    gene = counted[counted == 0].index[0]
    ax = sv.pl.phase_portrait(by_branch, gene, color=KEY)
    lines = drawn_lines(ax)
    ratios = table[table["gene"] == gene].set_index("category")["gamma"]
    assert set(lines) == {f"steady state, {name}" for name in ratios.index}
    for name, ratio in ratios.items():
        (x0, x1), (y0, y1) = lines[f"steady state, {name}"].get_data()
        assert (y1 - y0) / (x1 - x0) == pytest.approx(ratio)
    colors = {line.get_color() for line in lines.values()}
    assert len(colors) == 3
    assert f"γ = {ratios.min():.3g} to {ratios.max():.3g}" in ax.get_title()


def test_phase_portraits_draw_the_common_line_of_the_others(prepared):
    names = prepared.obs[KEY].astype(str).to_numpy(dtype=object)
    names[:3] = "rare"
    prepared.obs[KEY] = names
    # one cell has the weight of the fit of the rare category
    weights = np.ones(240)
    weights[1:3] = 0
    sv.tl.velocity(prepared, gamma_by=KEY, weights=weights)
    table = sv.get.category_ratios(prepared)
    rare = table[(table["category"] == "rare") & table["common"]]
    gene = rare["gene"].iloc[0]
    ax = sv.pl.phase_portrait(prepared, gene)
    lines = drawn_lines(ax)
    assert "steady state, rare" not in lines
    (x0, x1), (y0, y1) = lines["steady state, other cells"].get_data()
    assert (y1 - y0) / (x1 - x0) == pytest.approx(prepared.var.loc[gene, "velocity_gamma"])


def test_outlined_cells_are_those_of_the_fit_of_their_category(by_branch):
    table = sv.get.category_ratios(by_branch)
    counted = table.groupby("gene", observed=True)["common"].sum()
    gene = counted[counted == 0].index[0]
    ax = sv.pl.phase_portrait(by_branch, gene)
    (marked,) = [c for c in ax.collections if c.get_label() == "cells of the fit"]
    assert len(marked.get_offsets()) == table.loc[table["gene"] == gene, "fit_cells"].sum()


def test_a_gene_without_a_fit_has_no_lines(prepared):
    prepared.var["genes_used"] = np.arange(60) > 0
    sv.tl.velocity(prepared, gamma_by=KEY)
    ax = sv.pl.phase_portrait(prepared, "gene 1")
    assert not ax.lines
    assert "no fit: not used" in ax.get_title()


def test_a_part_of_the_cells_can_be_drawn(by_branch):
    part = by_branch[by_branch.obs[KEY] != "trunk"].copy()
    ax = sv.pl.phase_portrait(part, "gene 2")
    assert "a part of the fitted cells" in ax.get_title()
    del part.obs[KEY]
    assert sv.pl.phase_portrait(part, "gene 2").lines


def test_pictures_of_velocities_show_theirs(by_branch):
    axes = sv.pl.gene_velocity(by_branch, "gene 2", basis="pca")
    drawn = axes[0, 1].collections[0]
    expected = by_branch.layers["velocity"][:, 1].astype(float)
    np.testing.assert_allclose(np.sort(drawn.get_array()), np.sort(expected), rtol=1e-6)
    plt.close(axes[0, 0].figure)


def test_the_report_says_how_ratios_were_fitted(by_branch, tmp_path):
    by_branch.obsm["X_umap"] = by_branch.obsm["X_pca"][:, :2].astype(np.float64)
    sv.tl.velocity_embedding(by_branch, basis="umap")
    page = tmp_path / "a.html"
    sv.report.write(by_branch, page, basis="umap", n_portraits=1)
    text = page.read_text(encoding="utf-8")
    assert "Each category of branch was fitted separately" in text
    # the table of genes is JSON
    assert json.dumps("γ of branch 1") in text
    gamma = sv.get.category_ratios(by_branch, "gene 2")["gamma"].iloc[0]
    assert f"{float(f'{gamma:.4g}')}" in text


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda a: sv.tl.direction(a, basis="pca"), "tests of directions need the same ratio"),
        (lambda a: sv.tl.reliability(a, KEY, basis="pca"), "tests of directions need"),
        (lambda a: sv.tl.check_model(a, KEY, basis="pca"), "model checks need the same ratio"),
        (sv.get.velocity_se, "standard errors of velocities need the same ratio"),
    ],
)
def test_what_needs_one_ratio_of_all_cells_is_refused(by_branch, call, what):
    with pytest.raises(ValueError, match=rf"{what}.*obs\['branch'\] \(gamma_by\)\. Run tl\.vel"):
        call(by_branch)


def test_what_the_refusal_asks_for_is_enough(by_branch):
    sv.tl.velocity(by_branch, uncertainty=sv.CrossFit(n_repeats=1), key_added="one", dense=False)
    sv.tl.direction(by_branch, basis="pca", groupby=KEY, velocity_key="one", n_controls=1)
    sv.tl.check_model(by_branch, KEY, basis="pca", velocity_key="one")
    assert sv.get.velocity_se(by_branch, genes="gene 2", velocity_key="one").shape == (240, 1)


def test_comparing_ratios_needs_no_other_fit(by_branch):
    one = by_branch.copy()
    sv.tl.velocity(one)
    tables = []
    for adata in (by_branch, one):
        sv.tl.compare_ratios(adata, KEY, contrast="extremes", uncertainty="sandwich")
        table = sv.get.ratio_differences(adata)
        tables.append(table[table["gene"].isin(one.var_names[one.var["velocity_genes"]])])
    np.testing.assert_allclose(
        tables[0]["difference"], tables[1]["difference"], rtol=1e-6, atol=1e-9
    )


def test_at_a_border_cells_at_steady_state_have_no_velocity():
    """Cells at steady state with a ratio that changes where two lineages touch.

    scVelo's rule uses the ratio of a cell for the smoothed counts of its neighbours, too.
    """
    rng = np.random.default_rng(12)
    n, genes, reach = 1200, 40, 15
    place = np.arange(n) / n
    first = place < 0.5
    level = 8 * np.exp(np.sin(2 * np.pi * (place[:, None] + rng.random(genes))))
    ratio = np.where(first, 0.4, 0.2)[:, None]
    adata = sv.datasets.simulate(n_cells=n, n_genes=genes, truth=False, rng=0)
    for name, mean in (("spliced", level), ("unspliced", ratio * level)):
        adata.layers[name] = sp.csr_matrix(rng.poisson(mean).astype(np.float32))
    adata.X = adata.layers["spliced"]
    near = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= reach
    np.fill_diagonal(near, val=False)
    adata.obsp["connectivities"] = sp.csr_matrix(near.astype(np.float32))
    adata.obsp["distances"] = sp.csr_matrix(near.astype(np.float64))
    adata.uns["neighbors"] = {
        "connectivities_key": "connectivities",
        "distances_key": "distances",
        "params": {"n_neighbors": 2 * reach + 1, "method": "umap"},
    }
    for kind in ("spliced", "unspliced"):
        adata.obs[f"size_factor_{kind}"] = 1.0
    adata.obs["lineage"] = np.where(first, "a", "b")
    sv.tl.velocity(adata, gamma_by="lineage", weights="all", min_r2=-np.inf)
    table = sv.get.category_ratios(adata).groupby("category", observed=True)["gamma"].median()
    assert table["a"] == pytest.approx(0.4, rel=0.03)
    assert table["b"] == pytest.approx(0.2, rel=0.03)
    ms, mu = (adata.layers[name].astype(float) for name in ("Ms", "Mu"))
    gamma = sv.get.category_ratios(adata).pivot_table(
        "gamma", index="category", columns="gene", observed=True
    )
    theirs = mu - gamma.loc[adata.obs["lineage"], adata.var_names].to_numpy() * ms
    border = np.abs(np.arange(n) - n // 2) < reach
    # in units of the spliced mRNA of the cells there
    bias = [abs((v / ms)[border].mean(axis=1)).mean() for v in (adata.layers["velocity"], theirs)]
    assert bias[0] < 0.015
    assert bias[1] > 0.04


def test_lines_of_categories_do_not_extend_the_axis(by_branch):
    sv.tl.velocity(by_branch, gamma_by=KEY, offset=True)
    axes = sv.pl.phase_portrait(by_branch, list(by_branch.var_names[:12]), color=KEY)
    ends = np.array([np.ptp(np.concatenate([x.get_ydata() for x in ax.lines])) for ax in axes])
    seen = np.array([ax.collections[0].get_offsets()[:, 1].max() for ax in axes])
    # some lines are steep or have a large offset
    assert (ends > 1.3 * seen).any()
    for ax, most in zip(axes, seen, strict=True):
        low, high = ax.get_ylim()
        assert -0.1 * most < low
        assert most <= high < 1.15 * most
