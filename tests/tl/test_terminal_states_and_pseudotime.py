"""Root cells, end points and pseudotime."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import spearmanr

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo.tl._roots_and_ends import _highest
from steadyvelo.tl._stored_graph import StoredGraph


@pytest.fixture(scope="module")
def moving():
    adata = sv.datasets.simulate(n_cells=600, n_genes=150, rng=0)
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=15)
    sv.tl.velocity(adata, dense=False)
    sv.tl.velocity_graph(adata)
    return adata


def test_walks_come_from_the_first_cells_and_end_in_the_last(moving):
    adata = moving.copy()
    sv.tl.terminal_states(adata)
    roots, ends = adata.obs["velocity_root_cells"], adata.obs["velocity_end_points"]
    for score in (roots, ends):
        assert score.min() == 0
        assert score.max() == 1
    time = adata.obs["true_time"]
    assert time[roots > 0.5].median() < time.quantile(0.25)
    assert time[ends > 0.5].median() > time.quantile(0.75)
    params = adata.uns["velocity_params"]["terminal_states"]
    assert params["root_regions"] >= 1
    assert params["end_regions"] >= 1


def test_pseudotime_follows_true_time_and_ignores_what_ran_before(moving):
    adata = moving.copy()
    sv.tl.velocity_pseudotime(adata)
    alone = adata.obs["velocity_pseudotime"].to_numpy()
    end = adata.uns["velocity_params"]["pseudotime"]["end"]
    # one lineage: the other branch is no nearer to this end than the fork
    lineage = adata.obs["branch"].isin(["trunk", adata.obs.loc[end, "branch"]])
    time = adata.obs["true_time"]
    assert spearmanr(alone[lineage], time[lineage]).statistic > 0.95
    adata.obs["velocity_root_cells"] = 0.0
    sv.tl.terminal_states(adata)
    sv.tl.velocity_pseudotime(adata)
    np.testing.assert_array_equal(adata.obs["velocity_pseudotime"], alone)


@pytest.mark.parametrize("divided", [False, True])
def test_searches_from_groups_of_cells_find_the_same(moving, monkeypatch, divided):
    """As for many cells; also in several connected parts."""
    adata = moving.copy()
    if divided:
        without_edges_between(adata, np.arange(adata.n_obs) % 2)
    results = []
    for many in (10_000, 0):
        monkeypatch.setattr("steadyvelo.tl._stored_graph._MANY", many)
        other = adata.copy()
        sv.tl.terminal_states(other)
        with sv.settings.override(verbosity=0):  # cells of other parts get no time
            sv.tl.velocity_pseudotime(other, end=None)
        results.append(other.obs.filter(like="velocity_"))
    for name in ("velocity_root_cells", "velocity_end_points", "velocity_pseudotime"):
        np.testing.assert_allclose(results[1][name], results[0][name], atol=1e-6)


def test_a_users_root_has_time_zero(moving):
    adata = moving.copy()
    first = adata.obs_names[int(np.argmin(adata.obs["true_time"]))]
    sv.tl.velocity_pseudotime(adata, root=first, end=None)
    assert adata.obs.loc[first, "velocity_pseudotime"] == 0
    assert adata.uns["velocity_params"]["pseudotime"]["root"] == first
    assert adata.uns["velocity_params"]["pseudotime"]["end"] == ""
    with pytest.raises(KeyError, match=r"no cells of adata: 'nobody'"):
        sv.tl.velocity_pseudotime(adata, root="nobody")
    with pytest.raises(ValueError, match="both None"):
        sv.tl.velocity_pseudotime(adata, root=None, end=None)
    with pytest.raises(ValueError, match="n_components must be at least 2; it is 1"):
        sv.tl.velocity_pseudotime(adata, n_components=1)


def test_cells_without_edges_have_no_score_and_no_time(moving):
    adata = moving.copy()
    for name in ("velocity_graph", "velocity_graph_neg"):
        graph = adata.obsp[name].tolil()
        graph[3] = 0
        graph[:, 3] = 0
        adata.obsp[name] = sp.csr_matrix(graph)
    sv.tl.terminal_states(adata)
    assert np.flatnonzero(adata.obs["velocity_root_cells"].isna()).tolist() == [3]
    with pytest.warns(sv.SteadyveloWarning, match="1 cells are not connected with root and end"):
        sv.tl.velocity_pseudotime(adata)
    assert np.flatnonzero(adata.obs["velocity_pseudotime"].isna()).tolist() == [3]


def without_edges_between(adata, groups):
    """Remove edges and neighbours between groups of cells."""
    for name in ("velocity_graph", "velocity_graph_neg", "distances", "connectivities"):
        graph = adata.obsp[name].tocoo()
        same = groups[graph.row] == groups[graph.col]
        parts = (graph.data[same], (graph.row[same], graph.col[same]))
        adata.obsp[name] = sp.csr_matrix(parts, shape=graph.shape)


def test_each_connected_part_has_roots_and_ends(moving):
    adata = moving.copy()
    time = adata.obs["true_time"].to_numpy()
    groups = (np.arange(adata.n_obs) % 2).astype(int)
    groups[:15] = 2
    without_edges_between(adata, groups)
    message = r"\d+ cells get no scores, because their connected part"
    with pytest.warns(sv.SteadyveloWarning, match=message):
        sv.tl.terminal_states(adata)
    roots, ends = (adata.obs[f"velocity_{x}"] for x in ("root_cells", "end_points"))
    for group in (0, 1):
        own = groups == group
        assert roots[own].max() == ends[own].max() == 1
        assert np.median(time[own & (roots > 0.5)]) < np.quantile(time[own], 0.25)
        assert np.median(time[own & (ends > 0.5)]) > np.quantile(time[own], 0.75)
    assert roots.isna().tolist() == ends.isna().tolist() == (groups == 2).tolist()
    params = adata.uns["velocity_params"]["terminal_states"]
    assert params["root_regions"] >= 2
    # each part alone gets the same scores
    alone = moving.copy()
    without_edges_between(alone, np.where(groups == 0, 0, np.arange(adata.n_obs) + 1))
    sv.tl.terminal_states(alone)
    np.testing.assert_allclose(
        alone.obs["velocity_end_points"][groups == 0], ends[groups == 0], atol=1e-6
    )


def test_root_and_end_are_found_in_one_part(moving):
    adata = moving.copy()
    groups = np.arange(adata.n_obs) % 2
    without_edges_between(adata, groups)
    with pytest.warns(sv.SteadyveloWarning, match="300 cells are not connected"):
        sv.tl.velocity_pseudotime(adata)
    made = adata.uns["velocity_params"]["pseudotime"]
    root, end = (adata.obs_names.get_loc(made[x]) for x in ("root", "end"))
    assert groups[root] == groups[end]
    assert (adata.obs["velocity_pseudotime"].notna() == (groups == groups[root])).all()
    # the part of a root that is named decides
    named = adata.obs_names[np.flatnonzero(groups != groups[root])[0]]
    with pytest.warns(sv.SteadyveloWarning, match="300 cells are not connected"):
        sv.tl.velocity_pseudotime(adata, root=named)
    assert (adata.obs["velocity_pseudotime"].notna() == (groups != groups[root])).all()


def test_root_and_end_are_found_in_the_largest_part(moving):
    adata = moving.copy()
    for seed in range(3):
        small = np.zeros(adata.n_obs, dtype=bool)
        small[np.random.default_rng(seed).choice(adata.n_obs, 60, replace=False)] = True
        apart = adata.copy()
        without_edges_between(apart, small)
        with pytest.warns(sv.SteadyveloWarning, match="are not connected with root and end"):
            sv.tl.velocity_pseudotime(apart)
        known = apart.obs["velocity_pseudotime"].notna()
        assert known.sum() > 400
        assert not known[small].any()


def test_a_named_cell_with_which_no_other_is_found_is_refused(moving):
    adata = moving.copy()
    groups = np.zeros(adata.n_obs, dtype=int)
    groups[:12], groups[12] = 1, 2
    without_edges_between(adata, groups)
    # one of the twelve that has edges
    degrees = np.asarray((abs(adata.obsp["velocity_graph"]) > 0).sum(axis=1)).ravel()[:12]
    root = adata.obs_names[int(degrees.argmax())]
    with pytest.raises(ValueError, match=r"no end is found among the \d+ connected cells"):
        sv.tl.velocity_pseudotime(adata, root=root)
    alone = adata.obs_names[12]
    with pytest.raises(ValueError, match=f"{alone!r} has no edges in the velocity graph"):
        sv.tl.velocity_pseudotime(adata, root=alone, end=None)
    with pytest.raises(ValueError, match="no end is found among the 1 connected cells"):
        sv.tl.velocity_pseudotime(adata, root=alone)
    assert "velocity_pseudotime" not in adata.obs


def test_no_part_that_is_large_enough(moving):
    adata = moving.copy()
    without_edges_between(adata, np.arange(adata.n_obs) // 15)
    with pytest.raises(ValueError, match="but at least 20 that are connected are needed"):
        sv.tl.terminal_states(adata)


def test_root_and_end_that_nothing_connects_are_refused(moving):
    adata = moving.copy()
    half = np.arange(adata.n_obs) < 300
    for name in ("velocity_graph", "velocity_graph_neg"):
        graph = adata.obsp[name].tocoo()
        same = half[graph.row] == half[graph.col]
        parts = (graph.data[same], (graph.row[same], graph.col[same]))
        adata.obsp[name] = sp.csr_matrix(parts, shape=graph.shape)
    with pytest.raises(ValueError, match="root 'cell 1' and end 'cell 400' are in parts"):
        sv.tl.velocity_pseudotime(adata, root="cell 1", end="cell 400")
    assert "velocity_pseudotime" not in adata.obs


@pytest.mark.parametrize("value", [0, -1, np.nan])
def test_a_tolerance_that_is_none(moving, value):
    with pytest.raises(ValueError, match="tolerance must be positive and finite"):
        sv.tl.terminal_states(moving, tolerance=value)


def test_too_few_cells_have_no_root(moving):
    adata = moving.copy()
    for name in ("velocity_graph", "velocity_graph_neg"):
        adata.obsp[name] = sp.csr_matrix(adata.shape[:1] * 2, dtype=np.float32)
    with pytest.raises(ValueError, match="0 cells have edges in the velocity graph"):
        sv.tl.terminal_states(adata)


def test_a_new_graph_leaves_no_times_of_the_old_one(moving):
    adata = moving.copy()
    sv.tl.terminal_states(adata)
    sv.tl.velocity_pseudotime(adata)
    sv.tl.velocity_graph(adata)
    assert not {"velocity_root_cells", "velocity_end_points", "velocity_pseudotime"} & set(
        adata.obs
    )
    assert not {"terminal_states", "pseudotime"} & set(adata.uns["velocity_params"])


def test_several_roots_are_all_at_the_beginning(moving):
    adata = moving.copy()
    roots = list(adata.obs_names[np.argsort(adata.obs["true_time"].to_numpy())[[0, 1, 2, 40]]])
    sv.tl.velocity_pseudotime(adata, root=roots, end=None)
    times = adata.obs["velocity_pseudotime"].copy()
    assert (times[roots] == 0).all()
    assert (times.drop(index=roots) > 0).all()
    assert spearmanr(times, adata.obs["true_time"]).statistic > 0.8
    assert adata.uns["velocity_params"]["pseudotime"]["root"] == ", ".join(roots)


def test_a_cluster_is_a_root(moving):
    adata = moving.copy()
    inside = adata.obs["clusters"] == "root"
    sv.tl.velocity_pseudotime(adata, root="root", end=["tip 1", "tip 2"], groupby="clusters")
    by_cluster = adata.obs["velocity_pseudotime"].copy()
    made = adata.uns["velocity_params"]["pseudotime"]
    assert (made["root"], made["end"], made["groupby"]) == ("root", "tip 1, tip 2", "clusters")
    ends = list(adata.obs_names[adata.obs["clusters"].isin(["tip 1", "tip 2"])])
    sv.tl.velocity_pseudotime(adata, root=list(adata.obs_names[inside]), end=ends)
    np.testing.assert_array_equal(adata.obs["velocity_pseudotime"], by_cluster)
    means = by_cluster.groupby(adata.obs["clusters"], observed=True).mean()
    assert means["root"] < means["fork"] < means[["tip 1", "tip 2"]].min()
    # the other end is found among the cells
    sv.tl.velocity_pseudotime(adata, root="root", groupby="clusters")
    assert adata.uns["velocity_params"]["pseudotime"]["end"] in adata.obs_names


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"root": "root"}, KeyError, r"root has names of clusters, 'root', .*groupby='clusters'"),
        ({"end": ["cell 1", "nobody"]}, KeyError, "end has names that are no cells .*'nobody'"),
        ({"root": "leaf", "groupby": "clusters"}, KeyError, "no clusters: 'leaf'; obs"),
        ({"groupby": "clusters"}, ValueError, "groupby='clusters' is the column of the clusters"),
        ({"root": "root", "groupby": "leiden"}, KeyError, "groupby='leiden' is not a column"),
        ({"lineage_key": "leiden"}, KeyError, "lineage_key='leiden' is not a column"),
        ({"root": []}, KeyError, "root is empty"),
        (
            {"root": "cell 1", "lineage_key": "branch"},
            ValueError,
            r"root names no cell of the lineage 'branch \d'; name a cell of each lineage",
        ),
    ],
)
def test_roots_that_are_not_there(moving, options, error, message):
    adata = moving.copy()
    with pytest.raises(error, match=message):
        sv.tl.velocity_pseudotime(adata, **options)
    assert "velocity_pseudotime" not in adata.obs


def test_each_lineage_has_a_pseudotime(moving):
    adata = moving.copy()
    branch = adata.obs["branch"].astype(str)
    # halves of the trunk belong to the branches, and some cells to no lineage
    half = np.where(np.arange(adata.n_obs) % 2, "branch 1", "branch 2")
    lineage = branch.where(branch != "trunk", half).astype(object)
    lineage.iloc[:9] = None
    adata.obs["lineage"] = pd.Categorical(lineage)
    first = adata.obs_names[(np.arange(adata.n_obs) >= 9) & (adata.obs["clusters"] == "root")]
    sv.tl.velocity_pseudotime(adata, root="root", groupby="clusters", lineage_key="lineage")
    times = adata.obs["velocity_pseudotime"]
    assert times.isna().tolist() == [True] * 9 + [False] * (adata.n_obs - 9)
    assert (times[first] < 0.5).all()
    made = adata.uns["velocity_params"]["pseudotime"]
    assert made["lineage_key"] == "lineage"
    assert list(made["lineages"]["lineage"]) == ["branch 1", "branch 2"]
    for number, name in enumerate(("branch 1", "branch 2")):
        own = (adata.obs["lineage"] == name).to_numpy()
        assert (times[own].min(), times[own].max()) == (0, 1)
        assert spearmanr(times[own], adata.obs["true_time"][own]).statistic > 0.9
        assert made["lineages"]["root"][number] == "root"
        assert adata.obs.loc[made["lineages"]["end"][number], "lineage"] == name
        assert sv.get.pseudotime_orientation(adata, lineage=name).verdict == "not tested"
        # a lineage alone has the same
        alone = adata.copy()
        alone.obs["lineage"] = np.where(own, name, None)
        sv.tl.velocity_pseudotime(alone, root="root", groupby="clusters", lineage_key="lineage")
        np.testing.assert_allclose(alone.obs["velocity_pseudotime"][own], times[own], atol=1e-9)
    with pytest.raises(ValueError, match="name one as lineage=, of 'branch 1', 'branch 2'"):
        sv.get.pseudotime_orientation(adata)
    with pytest.raises(KeyError, match="lineage='branch 3' has no pseudotime; there is 'branch 1'"):
        sv.get.pseudotime_orientation(adata, lineage="branch 3")
    sv.tl.velocity_pseudotime(adata)
    with pytest.raises(KeyError, match="there is one pseudotime for all cells"):
        sv.get.pseudotime_orientation(adata, lineage="branch 1")


def test_a_lineage_of_few_cells(moving):
    adata = moving.copy()
    adata.obs["lineage"] = np.where(np.arange(adata.n_obs) < 12, "few", "many")
    with pytest.raises(ValueError, match="lineage 'few' has 12 cells, but root and end are found"):
        sv.tl.velocity_pseudotime(adata, lineage_key="lineage")


def test_lineages_are_written_to_files(moving, tmp_path):
    adata = moving.copy()
    adata.obs["lineage"] = np.where(np.arange(adata.n_obs) % 2, "a/b", "c")
    sv.tl.velocity_pseudotime(adata, lineage_key="lineage")
    sv.io.write_h5ad(adata, tmp_path / "a.h5ad")
    back = sv.io.read_h5ad(tmp_path / "a.h5ad")
    found = sv.get.pseudotime_orientation(back, lineage="a/b")
    assert found.reason == sv.get.pseudotime_orientation(adata, lineage="a/b").reason


@pytest.mark.parametrize("rounding", [0.0, 1e-14])
def test_of_cells_with_the_same_mean_the_one_in_the_middle_is_found(rounding):
    n = 41
    near = sp.csr_array(np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1))
    around = sp.csr_array(sp.diags_array(1 / near.sum(axis=1)) @ near)
    means = np.where((np.arange(n) >= 8) & (np.arange(n) <= 20), 1.0, 0.5)
    means[9] += rounding
    assert _highest(means, around) == 14


def test_cells_without_a_distance_are_no_neighbours(moving):
    """As when neighbourhoods are averaged, so that no part of the graph rests on such a pair."""
    adata = moving.copy()
    stored = adata.obsp["distances"]
    stored.data[0] = 0.0
    graph = StoredGraph.read(Fit.read(adata, "velocity"))
    every = np.ones(adata.n_obs, dtype=bool)
    assert graph.neighbors(every).nnz == stored.nnz - 1
    every[-1] = False
    assert graph.neighbors(every).shape == (adata.n_obs - 1,) * 2
    assert adata.obsp["distances"].data[0] == 0.0
