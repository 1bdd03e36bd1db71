"""The field of velocities without a common direction."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._adata._draws import Names, hash_names
from steadyvelo.engine import (
    EdgeCorrelation,
    SmoothingOperator,
    project_transitions,
    recursive_neighbors,
    self_transition_probability,
    split_signs,
)


@pytest.fixture(scope="module")
def moving():
    adata = sv.datasets.simulate(n_cells=400, n_genes=60, rng=0)
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    sv.tl.velocity(adata)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="pca")
    return adata


@pytest.mark.parametrize("memory", [None, 400 * 24 * 7])
def test_the_arrows_of_sign_flipped_deviations(moving, memory):
    adata = moving.copy()
    sv.tl.randomized_velocity(adata, basis="pca", rng=3, max_memory=memory, n_threads=2)
    genes = adata.var["velocity_genes"].to_numpy()
    s, u = (
        adata.layers[name].toarray()[:, genes]
        / adata.obs[f"size_factor_{name}"].to_numpy()[:, None]
        for name in ("spliced", "unspliced")
    )
    signs = Names(hash_names(adata.obs_names), 3).signs("sign-flipped control", 1)[0]
    raw = u - adata.var["velocity_gamma"].to_numpy()[genes] * s
    smoothing = SmoothingOperator.from_connectivities(adata.obsp["connectivities"]).to_matrix()
    velocity = (smoothing @ (signs[:, None] * raw)).astype(np.float32)
    direct = sp.csr_matrix(adata.obsp["distances"])
    edges = recursive_neighbors(
        direct.indptr.astype(np.int64), direct.indices.astype(np.int32), n_steps=2
    )
    sums = EdgeCorrelation(*edges)
    sums.add(np.ascontiguousarray(adata.layers["Ms"][:, genes]), velocity)
    graphs = split_signs(sums)
    arrows = project_transitions(
        *graphs,
        adata.obsm["X_pca"].astype(float),
        self_transition=self_transition_probability(graphs[0]),
    )
    np.testing.assert_allclose(adata.obsm["velocity_randomized_pca"], arrows, atol=1e-4)
    assert adata.uns["velocity_params"]["randomized"]["pca"]["rng"] == 3


def test_a_seed_is_a_field_and_the_data_are_left_alone(moving):
    adata = moving.copy()
    before = adata.obsm["velocity_pca"].copy(), adata.layers["spliced"].copy()
    sv.tl.randomized_velocity(adata, basis="X_pca")
    first = adata.obsm["velocity_randomized_pca"].copy()
    sv.tl.randomized_velocity(adata, basis="pca", n_threads=1)
    np.testing.assert_allclose(adata.obsm["velocity_randomized_pca"], first, atol=1e-6)
    sv.tl.randomized_velocity(adata, basis="pca", rng=1)
    assert abs(adata.obsm["velocity_randomized_pca"] - first).max() > 0.01
    np.testing.assert_array_equal(adata.obsm["velocity_pca"], before[0])
    assert (adata.layers["spliced"] != before[1]).nnz == 0
    # a new graph of the data leaves no control of the old one
    sv.tl.velocity_graph(adata)
    assert "velocity_randomized_pca" not in adata.obsm
    assert "randomized" not in adata.uns["velocity_params"]


def test_sign_flipped_velocities_do_not_follow_the_truth(moving):
    adata = moving.copy()
    time = adata.obs["true_time"].to_numpy()
    weights = np.stack([adata.obsm["X_pca"][:, d] for d in range(2)], axis=1)
    # the direction in which true time grows on the plane
    along = np.linalg.lstsq(weights - weights.mean(axis=0), time - time.mean(), rcond=None)[0]

    def forward(arrows):
        return (arrows[:, :2] @ along > 0).mean()

    ours = forward(adata.obsm["velocity_pca"])
    controls = []
    for seed in range(6):
        sv.tl.randomized_velocity(adata, basis="pca", rng=seed)
        controls.append(forward(adata.obsm["velocity_randomized_pca"]))
    assert ours > 0.7
    assert abs(np.mean(controls) - 0.5) < 0.15


def test_a_fit_without_counts_has_no_control(moving):
    adata = moving.copy()
    del adata.layers["unspliced"]
    with pytest.raises(KeyError, match="unspliced"):
        sv.tl.randomized_velocity(adata, basis="pca")
    assert "velocity_randomized_pca" not in adata.obsm
    with pytest.raises(KeyError, match="umap"):
        sv.tl.randomized_velocity(moving, basis="umap")
