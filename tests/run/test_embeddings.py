"""Coordinates are found under the names that programs give to them, and none is computed anew."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import steadyvelo as sv
from steadyvelo._adata._coordinates import embedding_place, usual_place


@pytest.fixture(scope="module")
def _simulated():
    adata = sv.datasets.simulate(n_cells=200, n_genes=50, depth=2, truth=False, rng=0)
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=15, n_pcs=10)
    return adata


@pytest.fixture
def simulated(_simulated):
    return _simulated.copy()


@pytest.fixture
def plane(simulated):
    return simulated.obsm["X_pca"][:, :2].astype(np.float64)


KEYS = {
    "umap": "umap",
    "UMAP": "umap",
    "X_UMAP": "umap",
    "tSNE": "tsne",
    "umap_cell_embeddings": "umap_cell_embeddings",
    "X_umap.harmony": "umap.harmony",
    "spatial": "spatial",
}


@pytest.mark.parametrize("key", KEYS)
def test_coordinates_under_another_key_are_used(simulated, plane, key, said):
    simulated.obsm[key] = plane
    result = sv.run(simulated, uncertainty=None, min_shared_counts=5)
    assert f"embedding: obsm[{key!r}]; name another with basis= (--basis)" in said
    basis = KEYS[key]
    assert set(result.obsm) == {"X_pca", key, f"velocity_{basis}"}
    np.testing.assert_array_equal(result.obsm[key], plane)
    for asked in ("auto", key, basis):
        sv.pl.velocity_stream(result, basis=asked)
    # the same arrows as under the usual name
    usual = simulated.copy()
    usual.obsm["X_umap"] = plane
    expected = sv.run(usual, uncertainty=None, min_shared_counts=5)
    np.testing.assert_allclose(result.obsm[f"velocity_{basis}"], expected.obsm["velocity_umap"])


@pytest.mark.parametrize(
    ("columns", "basis"),
    [
        (("UMAP_1", "UMAP_2"), "umap"),
        (("umap1", "umap2"), "umap"),
        (("tSNE_1", "tSNE_2"), "tsne"),
        (("_X", "_Y"), "tsne"),
    ],
)
def test_coordinates_in_columns_are_used(simulated, plane, columns, basis, said):
    for name, values in zip(columns, plane.T, strict=True):
        simulated.obs[name] = values
    result = sv.run(simulated, uncertainty=None, min_shared_counts=5)
    place = f"obs[{columns[0]!r}] and obs[{columns[1]!r}]"
    assert f"embedding: {place}; name another with basis= (--basis)" in said
    # other packages draw what is in obsm
    np.testing.assert_array_equal(result.obsm[f"X_{basis}"], plane)
    assert f"X_{basis}" not in simulated.obsm


def test_a_data_frame_of_coordinates(simulated, plane):
    simulated.obsm["X_umap"] = pd.DataFrame(plane, simulated.obs_names, ["UMAP_1", "UMAP_2"])
    result = sv.run(simulated, uncertainty=None, min_shared_counts=5)
    assert np.isfinite(result.obsm["velocity_umap"]).any()


def test_the_usual_name_comes_first_and_places_in_a_tissue_last(simulated, plane):
    simulated.obsm["spatial"] = plane * 100
    assert usual_place(simulated).keys == ("spatial",)
    simulated.obsm["other"] = plane
    assert usual_place(simulated).keys == ("other",)
    simulated.obsm["my_tsne"] = plane
    assert usual_place(simulated).keys == ("my_tsne",)
    simulated.obsm["UMAP"] = plane
    assert usual_place(simulated).keys == ("UMAP",)
    simulated.obsm["X_umap"] = plane
    assert usual_place(simulated).keys == ("X_umap",)
    # arrows are no coordinates
    for name in ("other", "my_tsne", "UMAP", "X_umap", "spatial"):
        del simulated.obsm[name]
    simulated.obsm["velocity_x"] = plane
    assert usual_place(simulated) is None


def test_the_first_component_of_a_diffusion_map_is_left_out(simulated, plane):
    first = np.full((simulated.n_obs, 1), 0.1)
    simulated.obsm["X_diffmap"] = np.hstack([first, plane])
    simulated.obsm["X_umap"] = plane
    sv.tl.velocity(simulated)
    sv.tl.velocity_graph(simulated)
    for basis in ("diffmap", "umap"):
        sv.tl.velocity_embedding(simulated, basis=basis)
    arrows = simulated.obsm["velocity_diffmap"]
    np.testing.assert_allclose(arrows, simulated.obsm["velocity_umap"])
    points = sv.pl.velocity_stream(simulated, basis="diffmap").collections[0].get_offsets()
    np.testing.assert_allclose(np.sort(points[:, 0]), np.sort(plane[:, 0]))


def test_two_keys_that_differ_in_capitals_are_told_apart(simulated, plane):
    simulated.obsm["Phate"], simulated.obsm["PHATE"] = plane, plane * 2
    assert embedding_place(simulated, "PHATE").keys == ("PHATE",)
    assert embedding_place(simulated, "Phate").keys == ("Phate",)
    assert embedding_place(simulated, "phate") is None


def test_a_missing_embedding_is_named_with_what_there_is(simulated, plane):
    simulated.obsm["UMAP"] = plane
    with pytest.raises(KeyError, match=r"basis='tsne' is not in adata.obsm, which has .*'umap'"):
        sv.run(simulated, basis="tsne", uncertainty=None)


def test_the_only_graph_is_used_under_any_name(simulated, plane, said):
    simulated.obsm["X_umap"] = plane
    for name in ("connectivities", "distances"):
        del simulated.obsp[name]
    del simulated.uns["neighbors"]
    sv.pp.neighbors(simulated, n_neighbors=12, n_pcs=5, key_added="harmony")
    result = sv.run(simulated, uncertainty=None, min_shared_counts=5)
    assert any(line.startswith("neighbours: uns['harmony']; find others") for line in said)
    assert result.uns["velocity_params"]["neighbors_key"] == "harmony"
    assert "connectivities" not in result.obsp
    # of several, none is chosen
    sv.pp.neighbors(simulated, n_neighbors=12, n_pcs=5, key_added="other")
    result = sv.run(simulated, uncertainty=None, min_shared_counts=5)
    assert any("adata has 'harmony', 'other'; name the one to use" in line for line in said)
    assert "connectivities" in result.obsp
