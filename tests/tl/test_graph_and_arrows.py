"""Graph, transitions and arrows on odd neighbour graphs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv


def set_graph(adata, graph):
    adata.obsp["distances"] = sp.csr_matrix(graph)
    adata.obsp["connectivities"] = sp.csr_matrix(((graph + graph.T) != 0).astype(np.float32))
    adata.uns["neighbors"] = {
        "connectivities_key": "connectivities",
        "distances_key": "distances",
        "params": {"method": "umap", "n_neighbors": 5},
    }


def knn(rng, n, low, high):
    graph = sp.lil_matrix((n, n))
    for i in range(n):
        others = np.delete(np.arange(n), i)
        graph[i, rng.choice(others, int(rng.integers(low, high + 1)), replace=False)] = 1.0
    return graph.tocsr()


def test_rows_of_unequal_length_are_all_used(prepared):
    graph = knn(np.random.default_rng(0), 240, 3, 9)
    set_graph(prepared, graph)
    sv.tl.velocity(prepared)
    sv.tl.velocity_graph(prepared, n_recurse_neighbors=1)
    edges = prepared.obsp["velocity_graph"] + prepared.obsp["velocity_graph_neg"]
    assert (edges.astype(bool) != graph.astype(bool)).nnz == 0


def test_isolated_cells_get_no_arrow_and_the_user_is_told(prepared):
    graph = knn(np.random.default_rng(0), 240, 6, 9).tolil()
    graph[7] = 0
    graph[:, 7] = 0
    set_graph(prepared, graph.tocsr())
    sv.tl.velocity(prepared)
    with pytest.warns(sv.SteadyveloWarning, match=r"1 cells have no neighbours \('cell 8'\)"):
        sv.tl.velocity_graph(prepared)
    with pytest.warns(sv.SteadyveloWarning, match="1 cells have no edges"):
        sv.tl.velocity_embedding(prepared, basis="pca")
    assert np.isnan(prepared.obsm["velocity_pca"][7]).all()
    assert sv.pl.velocity_stream(prepared, basis="pca").collections


def test_a_graph_that_was_sliced_by_another_tool_looks_so(prepared):
    graph = knn(np.random.default_rng(0), 300, 8, 8)
    set_graph(prepared, graph[:240, :240])
    prepared.uns["neighbors"]["params"]["n_neighbors"] = 9
    sv.tl.velocity(prepared)
    with pytest.warns(sv.SteadyveloWarning, match="If cells were removed after it was computed"):
        sv.tl.velocity_graph(prepared)


def test_duplicated_cells_keep_their_edges(prepared):
    prepared.obsm["X_pca"][1:4] = prepared.obsm["X_pca"][0]
    with pytest.warns(sv.SteadyveloWarning, match="3 cells are exact copies"):
        sv.pp.neighbors(prepared, n_neighbors=10)
    sv.tl.velocity(prepared)
    sv.tl.velocity_graph(prepared)
    sv.tl.velocity_embedding(prepared, basis="pca")
    assert np.isfinite(prepared.obsm["velocity_pca"]).all()


def test_transition_rows_sum_to_one(fitted):
    sv.tl.transition_matrix(fitted)
    transitions = fitted.obsp["velocity_transitions"]
    np.testing.assert_allclose(transitions.sum(axis=1), 1, rtol=1e-5)
    sv.tl.transition_matrix(fitted, self_transitions=False, scale=3, key_added="soft")
    assert (fitted.obsp["soft"].diagonal() == 0).all()
    assert fitted.obsp["soft"].max() < transitions.max()


def test_arrows_do_not_depend_on_the_scale_of_the_embedding(fitted):
    before = fitted.obsm["velocity_pca"].copy()
    fitted.obsm["X_pca"] = 1000 * fitted.obsm["X_pca"]
    sv.tl.velocity_embedding(fitted, basis="X_pca")
    np.testing.assert_allclose(fitted.obsm["velocity_pca"], before, rtol=0, atol=1e-6)
    assert (np.linalg.norm(before, axis=1) <= 1).all()


def test_arrows_point_along_the_trajectory():
    adata = sv.datasets.simulate(n_cells=800, n_genes=150, n_branches=1, depth=2, rng=1)
    result = sv.run(adata, basis="pca", uncertainty=None)
    position, arrow = result.obsm["X_pca"][:, :2], result.obsm["velocity_pca"][:, :2]
    time = result.obs["true_time"].to_numpy()
    distance = result.obsp["distances"].astype(bool).multiply(1).tocsr()
    later = []
    for i in range(result.n_obs):
        neighbours = distance[[i]].indices
        forward = neighbours[time[neighbours] > time[i]]
        if len(forward) > 3:
            step = (position[forward] - position[i]).mean(axis=0)
            later.append(step @ arrow[i] / np.linalg.norm(step) / np.linalg.norm(arrow[i]))
    assert np.mean(later) > 0.6


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: sv.tl.velocity_graph(a, velocity_key="v"), KeyError, "run tl.velocity.*'v'"),
        (lambda a: sv.tl.velocity_graph(a, n_recurse_neighbors=0), ValueError, "at least 1"),
        (lambda a: sv.tl.velocity_graph(a, neighbors_key="x"), KeyError, "no 'x'"),
        (lambda a: sv.tl.transition_matrix(a, scale=-1), ValueError, "scale must be positive"),
        (lambda a: sv.tl.velocity_embedding(a, basis="umap"), KeyError, "'umap' is not .* 'pca'"),
        (lambda a: sv.tl.velocity_graph(a, n_threads=0), ValueError, "n_threads must be"),
    ],
)
def test_what_cannot_be_done_is_refused(fitted, call, error, message):
    with pytest.raises(error, match=message):
        call(fitted)


def test_steps_out_of_order_are_refused_with_the_step_to_run(counts, prepared):
    with pytest.raises(KeyError, match=r"run pp.size_factors"):
        sv.pp.neighbors(counts)
    sv.pp.size_factors(counts)
    with pytest.raises(KeyError, match=r"run pp.neighbors"):
        sv.tl.velocity(counts)
    sv.tl.velocity(prepared)
    with pytest.raises(KeyError, match=r"run tl.velocity_graph"):
        sv.tl.velocity_embedding(prepared, basis="pca")


def test_an_embedding_that_is_not_finite_is_refused(fitted):
    fitted.obsm["X_pca"][3, 0] = np.nan
    with pytest.raises(ValueError, match=r"NaN or infinite coordinates in 1 cells \('cell 4'\)"):
        sv.tl.velocity_embedding(fitted, basis="pca")


def test_a_new_graph_leaves_nothing_made_from_the_old_one(fitted):
    sv.tl.transition_matrix(fitted)
    sv.tl.transition_matrix(fitted, key_added="mine")
    sv.tl.velocity_graph(fitted, n_recurse_neighbors=1)
    assert not {"velocity_transitions", "mine"} & set(fitted.obsp)
    assert "velocity_pca" not in fitted.obsm
    assert not {"embeddings", "transitions", "arrows"} & set(fitted.uns["velocity_params"])


def test_how_transitions_and_arrows_were_made_is_written(fitted):
    sv.tl.transition_matrix(fitted, scale=4.0, signed=True)
    sv.tl.velocity_embedding(fitted, basis="pca", scale=3.0)
    params = fitted.uns["velocity_params"]
    expected = {"scale": 4.0, "self_transitions": True, "signed": True}
    assert expected.items() <= params["transitions"]["velocity_transitions"].items()
    expected = {"scale": 3.0, "self_transitions": True, "schema": 1}
    assert expected.items() <= params["arrows"]["pca"].items()


def test_narrow_kernels_give_arrows(fitted):
    sv.tl.velocity_embedding(fitted, basis="pca", scale=1e4)
    assert np.isfinite(fitted.obsm["velocity_pca"]).all()


def test_too_little_signal_is_refused_with_the_reasons(prepared):
    with pytest.warns(sv.SteadyveloWarning, match="genes meet"):
        sv.tl.velocity(prepared, min_r2=0.9999)
    with pytest.raises(ValueError, match=r"60 R² is not above 0.9999"):
        sv.tl.velocity_graph(prepared)
