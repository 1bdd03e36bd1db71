"""Velocities that are projected on principal components, against dense arrays."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._adata._draws import Names, hash_names
from steadyvelo.engine import SmoothingOperator


def dense_arrows(adata, velocity=None):
    """The sum over velocity genes of v / (1 + x) times the loadings, in float64."""
    genes = adata.var["velocity_genes"].to_numpy()
    x = adata.layers["Ms"].astype(float)[:, genes]
    v = adata.layers["velocity"].astype(float)[:, genes] if velocity is None else velocity
    return np.einsum("ig,gk->ik", v / (1 + x), adata.varm["PCs"].astype(float)[genes])


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("memory", [None, 240 * 12 * 7])
def test_the_projection_is_that_of_dense_arrays(prepared, dense, memory):
    sv.tl.velocity(prepared)
    expected = dense_arrows(prepared)
    if not dense:
        sv.tl.velocity(prepared, dense=False)
        for name in ("Ms", "Mu", "velocity"):
            prepared.layers.pop(name, None)
    asked = {"method": "projection", "max_memory": memory, "n_threads": 2}
    sv.tl.velocity_embedding(prepared, basis="pca", **asked)
    arrows = prepared.obsm["velocity_pca"]
    assert arrows.dtype == np.float64
    np.testing.assert_allclose(arrows, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())
    # there is no velocity graph that they could be compared with
    assert "velocity_pca_fidelity" not in prepared.obs
    made = prepared.uns["velocity_params"]["arrows"]["pca"]
    genes = prepared.var["velocity_genes"].to_numpy()
    squares = np.square(prepared.varm["PCs"].astype(float)).sum(axis=1)
    assert made["loadings_share"] == pytest.approx(squares[genes].sum() / squares.sum())
    assert made["method"] == "projection"


def test_it_is_the_derivative_of_the_components(fitted):
    """A small step along the velocities moves the components as the arrows say."""
    sv.tl.velocity_embedding(fitted, basis="pca", method="projection")
    genes = fitted.var["velocity_genes"].to_numpy()
    x, v = fitted.layers["Ms"].astype(float), fitted.layers["velocity"].astype(float)
    loadings = fitted.varm["PCs"].astype(float)[genes]
    x, v, step = x[:, genes], v[:, genes], 1e-5
    moved = (np.log1p(x + step * v) - np.log1p(x - step * v)) @ loadings / (2 * step)
    np.testing.assert_allclose(fitted.obsm["velocity_pca"], moved, atol=1e-4 * abs(moved).max())


def test_arrows_point_along_the_true_change(counts):
    """On simulated data whose true velocities are known, smoothing aside."""
    sv.pp.size_factors(counts)
    sv.pp.neighbors(counts, n_neighbors=15, n_pcs=5)
    sv.tl.velocity(counts)
    sv.tl.velocity_embedding(counts, basis="auto", method="projection")
    loadings = counts.varm["PCs"].astype(float)
    x, v = counts.layers["true_spliced"], counts.layers["true_velocity"]
    x, v = (np.asarray(m.toarray() if sp.issparse(m) else m, dtype=float) for m in (x, v))
    true = (v / (1 + x)) @ loadings
    found = counts.obsm["velocity_pca"]
    cosine = (found * true)[:, :2].sum(axis=1)
    cosine /= np.linalg.norm(found[:, :2], axis=1) * np.linalg.norm(true[:, :2], axis=1)
    assert np.median(cosine) > 0.5


def test_cells_that_are_not_used_have_no_arrow(prepared):
    out = np.arange(240) % 6 == 0
    prepared.obs.loc[prepared.obs_names[out], "cells_used"] = False
    sv.tl.velocity(prepared)
    sv.tl.velocity_embedding(prepared, basis="pca", method="projection")
    assert np.isnan(prepared.obsm["velocity_pca"][out]).all()
    assert np.isfinite(prepared.obsm["velocity_pca"][~out]).all()


def test_with_a_graph_the_fidelity_is_that_of_the_new_arrows(fitted):
    before = fitted.obs["velocity_pca_fidelity"].copy()
    sv.tl.velocity_embedding(fitted, basis="pca", method="projection")
    after = fitted.obs["velocity_pca_fidelity"]
    assert after.notna().all()
    assert (after - before).abs().max() > 0.01


def test_controls_are_projected_as_the_data(fitted):
    sv.tl.velocity_embedding(fitted, basis="pca", method="projection")
    sv.tl.randomized_velocity(fitted, basis="pca", n_controls=2, rng=3)
    genes = fitted.var["velocity_genes"].to_numpy()
    s, u = (
        fitted.layers[name].toarray()[:, genes]
        / fitted.obs[f"size_factor_{name}"].to_numpy()[:, None]
        for name in ("spliced", "unspliced")
    )
    signs = Names(hash_names(fitted.obs_names), 3).signs("sign-flipped control", 2)[1]
    raw = u - fitted.var["velocity_gamma"].to_numpy()[genes] * s
    smoothing = SmoothingOperator.from_connectivities(fitted.obsp["connectivities"]).to_matrix()
    expected = dense_arrows(fitted, smoothing @ (signs[:, None] * raw))
    found = fitted.obsm["velocity_randomized_pca"]
    assert found.shape == (240, 2, 10)
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-4 * abs(expected).max())
    assert fitted.uns["velocity_params"]["randomized"]["pca"]["method"] == "projection"
    assert len(sv.pl.control(fitted, basis="pca")) == 3
    # controls of other arrows are removed
    sv.tl.velocity_embedding(fitted, basis="pca")
    assert "velocity_randomized_pca" not in fitted.obsm


def test_scanpys_components_of_the_same_values_are_taken(counts):
    sv.pp.size_factors(counts)
    factor = counts.obs["size_factor_spliced"].to_numpy()
    counts.X = np.log1p(counts.layers["spliced"].toarray() / factor[:, None]).astype(np.float32)
    sc.pp.pca(counts, n_comps=8)
    sv.pp.neighbors(counts, n_neighbors=15)
    sv.tl.velocity(counts)
    sv.tl.velocity_embedding(counts, basis="pca", method="projection")
    expected = dense_arrows(counts)
    np.testing.assert_allclose(
        counts.obsm["velocity_pca"], expected, atol=1e-5 * abs(expected).max()
    )


def no_loadings(adata):
    del adata.varm["PCs"]
    return adata


def fewer_components(adata):
    adata.obsm["X_pca"] = adata.obsm["X_pca"][:, :4].copy()
    return adata


def other_order(adata):
    adata.varm["PCs"] = adata.varm["PCs"][::-1].copy()
    return adata


def lost_genes(adata):
    return adata[:, np.arange(60) < 30].copy()


def scaled_before(adata):
    adata.obsm["X_pca"] = adata.obsm["X_pca"] * 2
    return adata


def other_sizes(adata):
    sv.pp.size_factors(adata, method="common")
    sv.tl.velocity(adata, dense=False)
    return adata


def only_zeros(adata):
    adata.varm["PCs"] = np.zeros_like(adata.varm["PCs"])
    return adata


def not_finite(adata):
    adata.varm["PCs"][3, 0] = np.nan
    return adata


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_loadings, "varm has no 'PCs', the loadings of obsm"),
        (fewer_components, "has 10 columns and obsm.'X_pca'. has 4, or values are not finite"),
        (not_finite, "or values are not finite"),
        (other_order, r"does not give obsm.'X_pca'. \(it leaves \d+\.\d\d%"),
        (lost_genes, "the loadings belong to other genes"),
        (scaled_before, r"it leaves 25\.00% of the variance"),
        (other_sizes, "does not give obsm.'X_pca'."),
        (only_zeros, "it leaves 100.00% of the variance"),
    ],
)
def test_other_loadings_are_refused_with_a_remedy_that_works(prepared, change, message):
    sv.tl.velocity(prepared, dense=False)
    adata = change(prepared)
    with pytest.raises(ValueError, match=message) as refused:
        sv.tl.velocity_embedding(adata, basis="pca", method="projection")
    assert "velocity_pca" not in adata.obsm
    said = str(refused.value)
    assert "del adata.obsm['X_pca']" in said
    assert "pp.neighbors(adata, key_added='new')" in said
    del adata.obsm["X_pca"]
    with warnings.catch_warnings():
        # these data have fewer genes than usual components
        warnings.simplefilter("ignore", sv.SteadyveloWarning)
        sv.pp.neighbors(adata, key_added="new")
    sv.tl.velocity_embedding(adata, basis="pca", method="projection")
    assert np.isfinite(adata.obsm["velocity_pca"]).all()


def test_components_of_other_genes_than_the_velocity_genes_are_refused(counts):
    sv.pp.size_factors(counts)
    counts.var["highly_variable"] = np.arange(60) < 30
    sv.pp.neighbors(counts, n_neighbors=15, n_pcs=10)
    sv.tl.velocity(counts)
    counts.var["velocity_genes"] &= np.arange(60) >= 30
    with pytest.raises(ValueError, match=r"no velocity gene has a loading in varm\['PCs'\]"):
        sv.tl.velocity_embedding(counts, basis="pca", method="projection")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"basis": "umap"}, ValueError, r"needs basis='pca', .*basis is 'umap'"),
        ({"scale": 5}, ValueError, "scale and self_transitions are options of transition"),
        ({"self_transitions": False}, ValueError, "scale and self_transitions are options"),
        ({"velocity_key": "other"}, KeyError, "run tl.velocity"),
        ({"method": "linear"}, ValueError, "method must be one of 'transitions', 'projection'"),
    ],
)
def test_wrong_options_are_refused(fitted, options, error, message):
    before = fitted.obsm["velocity_pca"].copy()
    with pytest.raises(error, match=message):
        sv.tl.velocity_embedding(fitted, **{"basis": "pca", "method": "projection"} | options)
    np.testing.assert_array_equal(fitted.obsm["velocity_pca"], before)


def test_counts_that_have_changed_since_the_fit_are_refused(fitted):
    changed = fitted.layers["unspliced"].copy()
    changed.data[:] += 1
    fitted.layers["unspliced"] = changed
    with pytest.raises(ValueError, match=r"layer .unspliced. has changed .*rerun pp\.moments"):
        sv.tl.velocity_embedding(fitted, basis="pca", method="projection")
