"""Flows between clusters: their numbers, their test, and what scanpy makes of them."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from matplotlib.patches import FancyArrowPatch
from scipy import stats

import steadyvelo as sv
from steadyvelo._adata._draws import Names, hash_names
from steadyvelo.engine import (
    EdgeCorrelation,
    SmoothingOperator,
    cluster_connectivities,
    recursive_neighbors,
    split_signs,
)


def prepared(**options):
    adata = sv.datasets.simulate(**{"n_cells": 500, "n_genes": 80, "depth": 2, **options})
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    sv.tl.velocity(adata)
    sv.tl.velocity_graph(adata)
    return adata


@pytest.fixture(scope="module")
def _moving():
    adata = prepared(rng=0)
    sv.tl.cluster_graph(adata, "clusters", n_controls=6, rng=4)
    return adata


@pytest.fixture
def moving(_moving):
    return _moving.copy()


def member_of(adata):
    return pd.get_dummies(adata.obs["clusters"]).to_numpy(dtype=float)


def flows(graphs, member):
    """Sums of dense transition probabilities: along, against, and along edges alike."""
    c = sum(x.toarray().astype(np.float64) for x in graphs)
    found = []
    for exponent in (10 * c, -10 * c, 0 * c):
        weights = np.where(c != 0, np.exp(exponent), 0.0)
        found.append(member.T @ (weights / weights.sum(axis=1, keepdims=True)) @ member)
    return found


def net_of(along, against, alike):
    odd = (along - against) / 2
    with np.errstate(invalid="ignore"):
        return (odd - odd.T) / (alike + alike.T)


def control(adata, signs):
    """The velocity graph of sign-flipped deviations, from counts."""
    genes = adata.var["velocity_genes"].to_numpy()
    s, u = (
        adata.layers[name].toarray()[:, genes]
        / adata.obs[f"size_factor_{name}"].to_numpy()[:, None]
        for name in ("spliced", "unspliced")
    )
    raw = u - adata.var["velocity_gamma"].to_numpy()[genes] * s
    smoothing = SmoothingOperator.from_connectivities(adata.obsp["connectivities"]).to_matrix()
    velocity = (smoothing @ (signs[:, None] * raw)).astype(np.float32)
    direct = sp.csr_matrix(adata.obsp["distances"])
    edges = recursive_neighbors(
        direct.indptr.astype(np.int64), direct.indices.astype(np.int32), n_steps=2
    )
    sums = EdgeCorrelation(*edges)
    sums.add(np.ascontiguousarray(adata.layers["Ms"][:, genes]), velocity)
    return split_signs(sums)


def test_the_numbers_of_the_table(moving):
    table, member = sv.get.cluster_graph(moving), member_of(moving)
    names = list(moving.obs["clusters"].cat.categories)
    graphs = [moving.obsp[f"velocity_graph{end}"] for end in ("", "_neg")]
    along, against, alike = flows(graphs, member)
    signs = Names(hash_names(moving.obs_names), 4).signs("sign-flipped control", 6)
    controls = [flows(control(moving, row), member) for row in signs]
    nets = np.array([net_of(*x) for x in controls])
    error = np.sqrt((nets**2).mean(axis=0))
    with np.errstate(invalid="ignore"):
        ratios = np.array([x[k] / x[2] for k in (0, 1) for x in controls])
    sizes = member.sum(axis=0)
    there = alike + alike.T > 0
    assert len(table) == there.sum() - len(names)
    for row in table.itertuples():
        a, b = names.index(row.source), names.index(row.target)
        assert row.cells == sizes[a]
        assert row.flow == pytest.approx(along[a, b] / sizes[a], rel=1e-5)
        assert row.expected == pytest.approx(alike[a, b] / sizes[a], rel=1e-9)
        assert row.ratio == pytest.approx(along[a, b] / alike[a, b], rel=1e-5)
        assert row.net == pytest.approx(net_of(along, against, alike)[a, b], rel=1e-4)
        assert row.preference == pytest.approx(
            (along - against)[a, b] / alike[a, b] / 2, rel=1e-4, abs=1e-6
        )
        assert row.control_ratio == pytest.approx(ratios[:, a, b].mean(), rel=1e-3)
        assert row.ratio_se == pytest.approx(ratios[:, a, b].std(ddof=1), rel=1e-2)
        assert row.net_se == pytest.approx(error[a, b], rel=1e-2)
        assert row.t == pytest.approx(row.net / row.net_se)
        assert row.p == pytest.approx(2 * stats.t(6).sf(abs(row.t)), rel=1e-6)
    assert table["flow"].between(0, 1).all()


def test_pairs_are_adjusted_once(moving):
    table = sv.get.cluster_graph(moving)
    forward = table[table["source"] < table["target"]].set_index(["source", "target"])
    back = table[table["source"] > table["target"]].set_index(["target", "source"])
    back = back.loc[forward.index]
    np.testing.assert_allclose(forward["net"], -back["net"])
    for column in ("net_se", "p", "p_holm", "connectivity"):
        np.testing.assert_array_equal(forward[column], back[column])
    p = np.sort(forward["p"])
    holm = np.minimum(np.maximum.accumulate(p * np.arange(len(p), 0, -1)), 1)
    np.testing.assert_allclose(np.sort(forward["p_holm"]), holm)


def test_flows_lead_along_the_simulated_tree(moving):
    sv.tl.cluster_graph(moving, "clusters")
    table = sv.get.cluster_graph(moving).set_index(["source", "target"])
    edges = table.loc[[tuple(edge) for edge in moving.uns["true_edges"]]]
    assert (edges["net"] > 0).all()
    assert (edges["p"] < 0.05).sum() >= 3


def test_opposite_velocities_have_opposite_flows(moving):
    before = sv.get.cluster_graph(moving)
    graphs = [moving.obsp[f"velocity_graph{end}"] for end in ("", "_neg")]
    moving.obsp["velocity_graph"], moving.obsp["velocity_graph_neg"] = -graphs[1], -graphs[0]
    sv.tl.cluster_graph(moving, "clusters", n_controls=6, rng=4)
    after = sv.get.cluster_graph(moving)
    np.testing.assert_allclose(after["net"], -before["net"], rtol=1e-9)
    np.testing.assert_allclose(after["p"], before["p"], rtol=1e-9)


def test_cells_without_a_cluster_count_in_no_flow(moving):
    labels = moving.obs["clusters"].astype(object)
    labels[moving.obs["clusters"] == "fork"] = None
    moving.obs["some"] = pd.Categorical(labels)
    sv.tl.cluster_graph(moving, "some", n_controls=2)
    table = sv.get.cluster_graph(moving)
    assert "fork" not in {*table["source"], *table["target"]}
    assert (moving.obs["velocity_flow_cluster"] == -1).sum() == labels.isna().sum()
    # steps to cells without a cluster have their part of the probabilities
    member = pd.get_dummies(moving.obs["some"]).to_numpy(dtype=float)
    graphs = [moving.obsp[f"velocity_graph{end}"] for end in ("", "_neg")]
    along = flows(graphs, member)[0]
    names = list(moving.obs["some"].cat.categories)
    first = table.iloc[0]
    a, b = names.index(first["source"]), names.index(first["target"])
    assert first["flow"] == pytest.approx(along[a, b] / member[:, a].sum(), rel=1e-5)


def test_what_scanpy_reads(moving):
    table, names = sv.get.cluster_graph(moving), list(moving.obs["clusters"].cat.categories)
    paga = moving.uns["paga"]
    assert paga["groups"] == "clusters"
    graph = sp.csr_matrix(moving.obsp["distances"])
    codes = moving.obs["clusters"].cat.codes.to_numpy().astype(int)
    expected = cluster_connectivities(graph.indptr, graph.indices, codes, len(names))
    np.testing.assert_allclose(paga["connectivities"].toarray(), expected)
    assert paga["connectivities_tree"].nnz == len(names) - 1
    # without cross-fitted errors no flow is supported
    assert paga["transitions_confidence"].nnz == 0
    assert paga["transitions_confidence"].shape == (len(names), len(names))
    for row in table.itertuples():
        sure = row.net > 0 and row.t > 0 and row.preference > 0 and row.p_holm < 0.05
        assert row.significant == sure
        assert row.verdict == ("weak" if sure else "not supported")
    assert moving.uns["clusters_sizes"].tolist() == np.bincount(codes).tolist()


def test_scanpy_draws_no_flow_of_a_fit_without_cross_fitted_errors(moving):
    sv.tl.cluster_graph(moving, "clusters", level=0.5)
    points = pd.DataFrame(moving.obsm["X_pca"][:, :2]).groupby(
        moving.obs["clusters"].to_numpy(), observed=True
    )
    ax = sc.pl.paga(
        moving, transitions="transitions_confidence", pos=points.mean().to_numpy(), show=False
    )
    drawn = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert drawn == []
    table = sv.get.cluster_graph(moving)
    assert table[["retest_t", "retest_z"]].isna().all(axis=None)
    weak = table.loc[table["verdict"] == "weak", "reason"]
    assert len(weak) == table["significant"].sum() > 0
    assert weak.str.endswith("(tl.velocity(uncertainty='crossfit')).").all()
    plt.close("all")


def test_a_category_without_cells_has_a_place_in_scanpys_matrices(moving):
    labels = moving.obs["clusters"].cat
    moving.obs["more"] = labels.set_categories(["aaa", *labels.categories])
    sv.tl.cluster_graph(moving, "more", n_controls=6, rng=4)
    paga = moving.uns["paga"]
    assert paga["connectivities"].shape == (7, 7)
    assert paga["connectivities"][[0]].nnz == 0
    assert moving.uns["more_sizes"][0] == 0
    assert "aaa" not in set(sv.get.cluster_graph(moving)["source"])


def test_scanpys_own_paga_runs_on_the_result(moving):
    pytest.importorskip("igraph")
    ours = moving.uns["paga"]
    moving.uns.pop("paga")
    with pytest.raises(ValueError, match="velocity_graph"):
        sc.tl.paga(moving, "clusters", use_rna_velocity=True)
    sv.tl.cluster_graph(moving, "clusters", n_controls=6, rng=4, graph_in_uns=True)
    shared = moving.uns["velocity_graph"].data, moving.obsp["velocity_graph"].data
    assert np.shares_memory(*shared)
    moving.uns.pop("paga")
    sc.tl.paga(moving, "clusters")
    for name in ("connectivities", "connectivities_tree"):
        theirs = moving.uns["paga"][name].toarray()
        np.testing.assert_allclose(theirs, ours[name].toarray(), rtol=1e-12)
    assert moving.uns["clusters_sizes"].sum() == moving.n_obs
    sc.tl.paga(moving, "clusters", use_rna_velocity=True)
    assert moving.uns["paga"]["transitions_confidence"].nnz > 0


def test_a_file_holds_the_flows(moving, tmp_path):
    sv.io.write_h5ad(moving, tmp_path / "a.h5ad")
    back = sv.io.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(sv.get.cluster_graph(back), sv.get.cluster_graph(moving))
    np.testing.assert_array_equal(
        back.uns["paga"]["connectivities"].toarray(),
        moving.uns["paga"]["connectivities"].toarray(),
    )


def test_names_of_clusters_may_change_and_clusters_may_not(moving):
    before = sv.get.cluster_graph(moving)
    moving.obs["clusters"] = moving.obs["clusters"].cat.rename_categories({"root": "stem"})
    after = sv.get.cluster_graph(moving)
    assert after["source"].tolist() == before["source"].replace({"root": "stem"}).tolist()
    part = moving[moving.obs["clusters"] != "stem"].copy()
    assert len(sv.get.cluster_graph(part)) == len(before)
    moving.obs["clusters"] = moving.obs["clusters"].to_numpy()[::-1]
    with pytest.raises(
        ValueError, match=r"not those whose flows were computed.*Rerun tl\.cluster_graph\(adata, 'c"
    ):
        sv.get.cluster_graph(moving)
    del moving.obs["clusters"]
    assert sv.get.cluster_graph(moving)["source"].tolist() == before["source"].tolist()


def test_a_new_graph_leaves_no_flows_of_the_old_one(moving):
    sv.tl.cluster_graph(moving, "clusters", n_controls=1, graph_in_uns=True)
    sv.tl.velocity_graph(moving)
    assert not {"velocity_cluster_graph", "paga", "velocity_graph"} & set(moving.uns)
    assert "velocity_flow_cluster" not in moving.obs
    with pytest.raises(KeyError, match=r"run tl\.cluster_graph\(adata, \.\.\.\) first"):
        sv.get.cluster_graph(moving)


def test_a_seed_is_a_set_of_controls_and_threads_change_nothing(moving):
    first = sv.get.cluster_graph(moving)
    sv.tl.cluster_graph(moving, "clusters", n_controls=6, rng=4, n_threads=1, max_memory=2e6)
    pd.testing.assert_frame_equal(sv.get.cluster_graph(moving), first, rtol=1e-2)
    sv.tl.cluster_graph(moving, "clusters", n_controls=6, rng=5)
    other = sv.get.cluster_graph(moving)
    np.testing.assert_allclose(other["net"], first["net"], rtol=1e-9)
    assert (abs(other["net_se"] / first["net_se"] - 1) > 0.01).any()


@pytest.mark.parametrize(
    ("groupby", "options", "error", "message"),
    [
        ("leiden", {}, KeyError, "groupby='leiden' is not a column"),
        ("one", {}, ValueError, "obs.'one'. has one cluster only, 'x', but a flow needs two"),
        ("number", {}, ValueError, "groupby='number' does not group the cells"),
        ("clusters", {"n_controls": 0}, ValueError, "n_controls is 0, but a test needs controls"),
        ("clusters", {"level": 1}, ValueError, "level must be between 0 and 1"),
        ("clusters", {"scale": -1}, ValueError, "scale must be positive"),
        ("clusters", {"velocity_key": "other"}, KeyError, "other_gamma"),
    ],
)
def test_flows_that_cannot_be_computed(moving, groupby, options, error, message):
    moving.obs["one"], moving.obs["number"] = "x", np.linspace(0, 1, moving.n_obs)
    before = moving.uns["velocity_cluster_graph"]
    with pytest.raises(error, match=message):
        sv.tl.cluster_graph(moving, groupby, **options)
    assert moving.uns["velocity_cluster_graph"] is before


def test_flows_need_the_counts_and_the_cells_of_the_fit(moving):
    part = moving[:300].copy()
    with pytest.raises(ValueError, match=r"but adata now has 300 cells.*tl\.velocity_graph"):
        sv.tl.cluster_graph(part, "clusters")
    del moving.layers["unspliced"]
    with pytest.raises(KeyError, match="unspliced"):
        sv.tl.cluster_graph(moving, "clusters")


@pytest.mark.slow
def test_the_test_holds_its_level_if_signs_are_random():
    """Controls are taken for the data, and compared with other controls."""
    rejected, n_tests = 0, 0
    for seed in range(6):
        adata = prepared(n_cells=300, n_genes=60, rng=seed)
        member = member_of(adata)
        signs = np.random.default_rng(seed).choice([-1, 1], (60, 300))
        nets = np.array([net_of(*flows(control(adata, row), member)) for row in signs])
        upper = np.triu(np.isfinite(nets).all(axis=0), 1)
        error = np.sqrt((nets[20:, upper] ** 2).mean(axis=0))
        p = 2 * stats.t(40).sf(np.abs(nets[:20, upper]) / error)
        rejected, n_tests = rejected + (p < 0.05).sum(), n_tests + p.size
    assert abs(rejected / n_tests - 0.05) < 0.02
