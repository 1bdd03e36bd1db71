"""Arrows without a common direction, and their agreement with the data."""

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
from steadyvelo.get._control_agreement import chance_agreement


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
    control = adata.obsm["velocity_randomized_pca"]
    assert control.shape == (400, 4, adata.obsm["X_pca"].shape[1])
    number = 2
    signs = Names(hash_names(adata.obs_names), 3).signs("sign-flipped control", 4)[number]
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
    np.testing.assert_allclose(control[:, number], arrows, atol=1e-4)
    # fewer controls are the first of more
    sv.tl.randomized_velocity(adata, basis="pca", rng=3, n_controls=1)
    np.testing.assert_allclose(adata.obsm["velocity_randomized_pca"], control[:, :1], atol=1e-5)
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
    sv.tl.randomized_velocity(adata, basis="pca", n_controls=8)
    controls = [forward(x) for x in np.moveaxis(adata.obsm["velocity_randomized_pca"], 1, 0)]
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
    with pytest.raises(ValueError, match="at least one control is needed"):
        sv.tl.randomized_velocity(moving, basis="pca", n_controls=0)


def test_agreement_is_the_median_cosine_of_each_cluster(moving):
    adata = moving.copy()
    adata.obsm["velocity_pca"][:5] = np.nan
    sv.tl.randomized_velocity(adata, basis="pca", n_controls=3)
    table = sv.get.control_agreement(adata, "branch", basis="pca", components=(2, 0))
    assert list(table.index) == ["all", *adata.obs["branch"].cat.categories]
    data, controls = (adata.obsm[f"velocity_{name}pca"] for name in ("", "randomized_"))
    for number in range(3):
        x, y = data[:, [2, 0]], controls[:, number, [2, 0]]
        cosine = (x * y).sum(axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
        expected = [np.nanmedian(cosine)]
        expected += [np.nanmedian(cosine[adata.obs["branch"] == x]) for x in table.index[1:]]
        np.testing.assert_allclose(table[f"control {number + 1}"], expected)
    text = chance_agreement(table)
    clusters = table.drop(index="all")
    control = clusters.max().idxmax()
    cluster = clusters[control].idxmax()
    assert f"({cluster}, {control}) it is {table.loc[cluster, control]:.2f}." in text
    assert f"{table.loc['all'].min():.2f} to {table.loc['all'].max():.2f} over all cells" in text
    together = sv.get.control_agreement(adata, None, basis="pca").iloc[:, :1]
    assert list(together.index) == ["all"]
    assert chance_agreement(together).endswith(
        f"the control is {together.iloc[0, 0]:.2f} over all cells."
    )
    assert chance_agreement(together * np.nan) == ""


def test_agreement_needs_controls_of_these_arrows(moving):
    adata = moving.copy()
    with pytest.raises(KeyError, match=r"run tl\.randomized_velocity\(adata, basis='pca'\)"):
        sv.get.control_agreement(adata, basis="pca")
    sv.tl.randomized_velocity(adata, basis="pca")
    # one control without an axis for controls, as earlier versions stored it
    adata.obsm["velocity_randomized_pca"] = adata.obsm["velocity_randomized_pca"][:, 0]
    with pytest.raises(ValueError, match=r"no arrows of their controls; rerun tl\.randomized"):
        sv.get.control_agreement(adata, basis="pca")
    adata.obs["branch"] = np.where(np.arange(400) < 200, "all", "others")
    sv.tl.randomized_velocity(adata, basis="pca")
    table = sv.get.control_agreement(adata, "branch", basis="pca")
    assert list(table.index) == ["all", "cluster all", "others"]
