"""The simulator against its own equations and its claims."""

from __future__ import annotations

import numpy as np
import pytest

import steadyvelo as sv


@pytest.fixture(scope="module")
def adata():
    return sv.datasets.simulate(n_cells=3000, n_genes=120, rng=0)


def test_true_velocity_follows_from_true_abundances(adata):
    u, s = adata.layers["true_unspliced"], adata.layers["true_spliced"]
    expected = u - adata.var["true_gamma"].to_numpy() * s
    np.testing.assert_allclose(adata.layers["true_velocity"], expected, rtol=1e-4, atol=1e-4)


def test_true_velocity_is_the_change_of_spliced_along_a_branch():
    dense = sv.datasets.simulate(n_cells=60_000, n_genes=6, n_branches=1, rng=2)
    order = np.argsort(dense.obs["true_time"].to_numpy())
    time = dense.obs["true_time"].to_numpy()[order]
    s = dense.layers["true_spliced"][order].astype(float)
    v = dense.layers["true_velocity"][order] * dense.var["splicing_rate"].to_numpy()
    step = 200
    change = (s[step:] - s[:-step]) / (time[step:] - time[:-step])[:, None]
    middle = v[step // 2 : -step // 2]
    error = abs(change - middle)
    assert np.percentile(error / (abs(middle).max(axis=0) + 1e-9), 99) < 0.05


def test_counts_have_the_means_they_claim(adata):
    mean = (
        adata.layers["true_spliced"].astype(float) * adata.obs["library_size"].to_numpy()[:, None]
    )
    counts = adata.layers["spliced"].toarray()
    z = (counts.sum(axis=0) - mean.sum(axis=0)) / np.sqrt(mean.sum(axis=0))
    assert abs(z).max() < 4.5
    # Poisson: variance around the mean equals the mean
    dispersion = ((counts - mean) ** 2).sum() / mean.sum()
    assert abs(dispersion - 1) < 0.02
    assert counts.dtype == np.int32


def test_without_truth_counts_are_the_same_and_nothing_is_dense(monkeypatch):
    # cells are drawn in parts, and the parts are the same with and without the truth
    monkeypatch.setattr("steadyvelo.datasets._simulate._CELLS_AT_ONCE", 70)
    full = sv.datasets.simulate(n_cells=200, n_genes=10, rng=4)
    lean = sv.datasets.simulate(n_cells=200, n_genes=10, truth=False, rng=4)
    # newer versions of anndata list X among the layers, as None
    assert set(lean.layers) - {None} == {"spliced", "unspliced"}
    for layer in ("spliced", "unspliced"):
        assert (lean.layers[layer] != full.layers[layer]).nnz == 0
    u, s = full.layers["true_unspliced"], full.layers["true_spliced"]
    assert u.shape == s.shape == (200, 10)
    correlation = np.corrcoef(full.layers["spliced"].toarray().sum(axis=1), s.sum(axis=1))
    assert correlation[0, 1] > 0.3


def test_at_steady_state_nothing_moves():
    still = sv.datasets.simulate(n_cells=200, n_genes=30, steady_state=True, rng=0)
    assert abs(still.layers["true_velocity"]).max() < 1e-5
    assert still.layers["true_spliced"].std(axis=0).min() > 0


def test_no_two_genes_are_alike(adata):
    for name in ("true_gamma", "splicing_rate", "degradation_rate", "transcription_rate"):
        assert adata.var[name].nunique() == adata.n_vars
    assert adata.var["program"].nunique() > 5


def test_branches_part_only_after_the_trunk(adata):
    trunk = (adata.obs["branch"] == "trunk").to_numpy()
    assert adata.obs["true_time"][trunk].max() < adata.obs["true_time"][~trunk].min()
    assert set(adata.obs["branch"]) == {"trunk", "branch 1", "branch 2"}
    assert {tuple(e) for e in adata.uns["true_edges"]} == {
        ("root", "fork"),
        ("fork", "middle 1"),
        ("middle 1", "tip 1"),
        ("fork", "middle 2"),
        ("middle 2", "tip 2"),
    }


def test_depth_and_library_sizes_are_as_asked():
    deep = sv.datasets.simulate(n_cells=2000, n_genes=50, depth=10, library_size_sd=0.5, rng=1)
    assert np.log(deep.obs["library_size"]).std() == pytest.approx(0.5, rel=0.05)
    shallow = sv.datasets.simulate(n_cells=2000, n_genes=50, depth=1, library_size_sd=0, rng=1)
    assert (shallow.obs["library_size"] == 1).all()
    ratio = deep.layers["true_spliced"] / shallow.layers["true_spliced"]
    np.testing.assert_allclose(ratio, 10, rtol=1e-4)


def test_a_seed_decides_everything():
    def made(rng):
        return sv.datasets.simulate(n_cells=50, n_genes=20, rng=rng).X

    assert abs(made(7) - made(7)).nnz == 0
    assert abs(made(7) - made(8)).nnz > 0
    assert abs(made(np.random.default_rng(7)) - made(np.random.default_rng(7))).nnz == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_cells": 0}, "n_cells must be at least 1"),
        ({"n_branches": 0}, "n_branches must be at least 1"),
        ({"depth": 0}, "depth must be positive"),
        ({"library_size_sd": -1}, "library_size_sd must be finite and not negative"),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sv.datasets.simulate(**options)
