"""Walks and paths from chosen cells, beside dense transition probabilities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv


@pytest.fixture(scope="module")
def _moving():
    adata = sv.datasets.simulate(n_cells=500, n_genes=100, depth=2, rng=0)
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    sv.tl.velocity(adata, dense=False)
    sv.tl.velocity_graph(adata)
    return adata


@pytest.fixture
def moving(_moving):
    return _moving.copy()


def transitions(adata, *, backward=False, scale=10.0):
    """Transition probabilities without self-transitions, dense, in float64."""
    c = (adata.obsp["velocity_graph"] + adata.obsp["velocity_graph_neg"]).toarray()
    c = (c.T if backward else c).astype(np.float64)
    weights = np.where(c != 0, np.exp(scale * c), 0.0)
    sums = weights.sum(axis=1, keepdims=True)
    return np.where(sums > 0, weights / np.where(sums > 0, sums, 1), np.eye(len(c)))


@pytest.mark.parametrize("backward", [False, True])
def test_a_walk_is_a_power_of_the_transition_matrix(moving, backward):
    cells = ["cell 7", "cell 30", "cell 7"]
    sv.tl.walk(moving, cells, n_steps=25, backward=backward, scale=6.0)
    start = np.zeros(500)
    start[moving.obs_names.get_indexer(["cell 7", "cell 30"])] = 0.5
    powers = np.linalg.matrix_power(transitions(moving, backward=backward, scale=6.0), 25)
    np.testing.assert_allclose(moving.obs["velocity_walk"], start @ powers, rtol=1e-5, atol=1e-12)
    made = moving.uns["velocity_params"]["walks"]["velocity_walk"]
    assert made["start"] == "'cell 7', 'cell 30', 'cell 7'"
    assert (made["n_steps"], made["backward"], made["scale"]) == (25, backward, 6.0)


def test_the_matrix_of_a_walk_is_that_of_transition_matrix(moving):
    sv.tl.transition_matrix(moving, self_transitions=False)
    ours = moving.obsp["velocity_transitions"].toarray()
    np.testing.assert_allclose(ours, transitions(moving), atol=1e-6)


def test_a_start_is_given_by_names_by_clusters_and_by_a_mask(moving):
    in_root = (moving.obs["clusters"] == "root").to_numpy()
    sv.tl.walk(moving, "root", groupby="clusters", n_steps=3)
    by_cluster = moving.obs["velocity_walk"].to_numpy()
    for start in (
        in_root,
        in_root.tolist(),
        pd.Series(in_root, index=moving.obs_names),
        moving.obs_names[in_root],
        list(moving.obs_names[in_root]),
    ):
        sv.tl.walk(moving, start, n_steps=3)
        np.testing.assert_array_equal(moving.obs["velocity_walk"], by_cluster)
    made = moving.uns["velocity_params"]["walks"]["velocity_walk"]["start"]
    assert made.endswith(f" and {in_root.sum() - 3} more")
    sv.tl.walk(moving, ["root", "fork"], groupby="clusters", n_steps=1, key_added="two")
    assert moving.uns["velocity_params"]["walks"]["two"]["start"] == (
        "'root', 'fork' of obs['clusters']"
    )
    assert moving.obs["two"].sum() == pytest.approx(1)


def test_walks_go_forward_in_time_and_back(moving):
    time = moving.obs["true_time"]
    sv.tl.walk(moving, "fork", groupby="clusters", n_steps=30)
    sv.tl.walk(moving, "fork", groupby="clusters", n_steps=5, backward=True, key_added="before")
    start = time[moving.obs["clusters"] == "fork"].mean()
    assert (moving.obs["velocity_walk"] * time).sum() > start + 5
    assert (moving.obs["before"] * time).sum() < start


@pytest.mark.parametrize(
    ("start", "options", "error", "message"),
    [
        ("cell 0", {}, KeyError, "start has names that are no cells of adata: 'cell 0'"),
        ([], {}, KeyError, "start is empty; name at least one cell"),
        ("root", {}, KeyError, r"start has names of clusters, 'root', .*add groupby='clusters'"),
        ("leaf", {"groupby": "clusters"}, KeyError, "no clusters: 'leaf'; obs.'clusters'. has"),
        ("root", {"groupby": "leiden"}, KeyError, "groupby='leiden' is not a column"),
        (np.ones(7, bool), {}, ValueError, "start is a mask of 7 cells, but adata has 500"),
        (np.zeros(500, bool), {}, ValueError, "start is a mask without a True value"),
        (
            pd.Series(np.ones(500, bool)),
            {},
            ValueError,
            "start is a mask whose index differs from adata.obs_names",
        ),
        ("cell 3", {"n_steps": 0}, ValueError, "n_steps must be at least 1"),
        ("cell 3", {"scale": 0}, ValueError, "scale must be positive"),
        ("cell 3", {"key_added": "clusters"}, ValueError, "would overwrite obs.'clusters'"),
        ("cell 3", {"velocity_key": "other"}, KeyError, "other_gamma"),
        (3.0, {}, TypeError, "start must be names of cells or clusters, or a mask of cells"),
        ([["a"], "b"], {}, TypeError, "start must be names of cells or clusters, or a mask"),
    ],
)
def test_walks_that_cannot_be(moving, start, options, error, message):
    before = set(moving.obs)
    with pytest.raises(error, match=message):
        sv.tl.walk(moving, start, **options)
    assert set(moving.obs) == before


def without_edges(adata, cells):
    for name in ("velocity_graph", "velocity_graph_neg"):
        graph = adata.obsp[name].tolil()
        graph[cells] = 0
        graph[:, cells] = 0
        adata.obsp[name] = sp.csr_matrix(graph)


@pytest.mark.parametrize("call", [sv.tl.walk, sv.tl.paths])
def test_cells_that_no_walk_can_leave(moving, call):
    without_edges(moving, [2, 5])
    with pytest.raises(ValueError, match=r"leave none of the cells of start, 'cell 3', 'cell 6'"):
        call(moving, ["cell 3", "cell 6"])
    with pytest.raises(ValueError, match="because no edge leads to them"):
        call(moving, "cell 3", backward=True)
    # with another one, they stay where they are
    call(moving, ["cell 3", "cell 8"], n_steps=4)
    if call is sv.tl.walk:
        assert moving.obs.loc["cell 3", "velocity_walk"] == 0.5
    else:
        table = sv.get.paths(moving)
        assert (table[table[0] == "cell 3"] == "cell 3").all(axis=None)


def test_paths_are_drawn_from_the_transition_probabilities(moving):
    sv.tl.paths(moving, "root", groupby="clusters", n_paths=3000, n_steps=6, scale=4.0, rng=1)
    table = sv.get.paths(moving)
    assert table.shape == (3000, 7)
    assert (table.index[0], table.columns.tolist()) == (1, list(range(7)))
    assert set(moving.obs.loc[table[0].unique(), "clusters"]) == {"root"}
    chances = transitions(moving, scale=4.0)
    places = moving.obs_names.get_indexer(table.to_numpy().ravel()).reshape(table.shape)
    assert (chances[places[:, :-1], places[:, 1:]] > 0).all()
    sv.tl.walk(moving, "root", groupby="clusters", n_steps=6, scale=4.0)
    shares = np.bincount(places[:, -1], minlength=500) / 3000
    # over groups of cells, where numbers are large
    time = pd.qcut(moving.obs["true_time"], 5).cat.codes
    expected = moving.obs["velocity_walk"].groupby(time.to_numpy()).sum()
    found = pd.Series(shares).groupby(time.to_numpy()).sum()
    assert np.abs(found - expected).max() < 0.035
    made = moving.uns["velocity_params"]["paths"]
    assert (made["n_paths"], made["n_steps"], made["rng"]) == (3000, 6, 1)


def test_a_seed_is_a_set_of_paths(moving):
    drawn = []
    for seed in (0, 0, 1):
        sv.tl.paths(moving, "root", groupby="clusters", n_paths=4, n_steps=9, rng=seed)
        drawn.append(moving.uns["velocity_paths"].tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    sv.tl.paths(moving, "cell 1", backward=True, n_paths=2, n_steps=9)
    chances = transitions(moving, backward=True)
    places = moving.obs_names.get_indexer(sv.get.paths(moving).to_numpy().ravel()).reshape(2, 10)
    assert (chances[places[:, :-1], places[:, 1:]] > 0).all()


def test_paths_are_written_to_files_and_read_for_a_part_of_the_cells(moving, tmp_path):
    sv.tl.paths(moving, "cell 1", n_paths=2, n_steps=5)
    sv.io.write_h5ad(moving, tmp_path / "a.h5ad")
    back = sv.io.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(sv.get.paths(back), sv.get.paths(moving))
    pd.testing.assert_frame_equal(sv.get.paths(back[:20]), sv.get.paths(moving))
    with pytest.raises(ValueError, match=r"but adata now has 20 cells.*rerun"):
        sv.tl.paths(back[:20].copy(), "cell 1")


def test_a_new_graph_leaves_no_walks_of_the_old_one(moving):
    sv.tl.walk(moving, "cell 1")
    sv.tl.walk(moving, "cell 1", key_added="another")
    sv.tl.paths(moving, "cell 1")
    sv.tl.velocity_graph(moving)
    assert not {"velocity_walk", "another"} & set(moving.obs)
    assert "velocity_paths" not in moving.uns
    assert not {"walks", "paths"} & set(moving.uns["velocity_params"])
    with pytest.raises(KeyError, match=r"run tl\.paths\(adata, start\) first"):
        sv.get.paths(moving)


def test_a_view_is_copied(moving):
    view = moving[:]
    with pytest.warns(sv.SteadyveloWarning, match="adata is a view"):
        sv.tl.walk(view, "cell 1")
    assert "velocity_walk" not in moving.obs
