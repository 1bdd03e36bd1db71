"""What is drawn where nothing is named."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo._adata._embeddings import found_basis
from steadyvelo._adata._groups import found_column

RNG = np.random.default_rng(0)
POINTS, ARROWS = RNG.normal(size=(2, 60, 2))


def test_every_picture_finds_colours_and_embedding():
    for name in sv.pl.__all__:
        options = inspect.signature(getattr(sv.pl, name)).parameters
        for option in {"color", "basis"} & set(options):
            assert options[option].default == "auto", f"{name}, {option}"


def test_clusters_are_found(on_a_plane):
    adata = on_a_plane(POINTS, ARROWS)
    assert found_column(adata, "auto") is None
    adata.obs["cell_type"] = "one"
    adata.obs["leiden"] = "two"
    assert found_column(adata, "auto") == "leiden"
    assert found_column(adata, "other") == "other"
    assert found_column(adata, None) is None
    # a column of that name is meant
    adata.obs["auto"] = "three"
    assert found_column(adata, "auto") == "auto"
    assert [text.get_text() for text in sv.pl.velocity_stream(adata).texts] == ["three"]


def test_the_embedding_that_got_its_arrows_last_is_found(on_a_plane):
    adata = on_a_plane(POINTS, ARROWS)
    for name in ("pca", "tsne"):
        adata.obsm[f"X_{name}"] = POINTS
        adata.obsm[f"velocity_{name}"] = ARROWS
    adata.uns["velocity_params"] = {"embeddings": np.array(["umap", "tsne", "pca"])}
    assert found_basis(adata, "auto", "velocity") == "pca"
    del adata.obsm["velocity_pca"]
    assert found_basis(adata, "auto", "velocity") == "tsne"
    assert found_basis(adata, "X_umap", "velocity") == "umap"
    assert sv.pl.velocity_stream(adata).get_xlabel() == "tsne 1"
    adata.obsm["X_auto"] = POINTS
    assert found_basis(adata, "auto", "velocity") == "auto"


def test_the_one_embedding_there_is_is_found(on_a_plane):
    adata = on_a_plane(POINTS, ARROWS)
    adata.obsm["X_pca"] = POINTS
    assert found_basis(adata, "auto", "velocity") == "umap"
    adata.obsm["X_tsne"] = POINTS
    assert found_basis(adata, "auto", "velocity") == "umap"
    del adata.obsm["X_umap"]
    assert found_basis(adata, "auto", "velocity") == "tsne"
    del adata.obsm["X_tsne"]
    adata.obsm["X_one"] = adata.obsm["X_two"] = POINTS
    message = r"no embedding has arrows of 'velocity', and adata\.obsm has 'one', 'two'; name an"
    with pytest.raises(KeyError, match=message):
        sv.pl.velocity_stream(adata)
    del adata.obsm["X_one"], adata.obsm["X_two"]
    assert found_basis(adata, "auto", "velocity") == "pca"
    with pytest.raises(KeyError, match=r"tl\.velocity_embedding\(adata, basis='pca'\)"):
        sv.pl.velocity_stream(adata)


def test_the_run_is_drawn_on_its_own_embedding(fitted):
    fitted.obsm["X_umap"] = np.zeros((fitted.n_obs, 2))
    assert sv.pl.velocity_grid(fitted).get_xlabel() == "pca 1"


def test_many_cells_have_a_density_unless_a_colour_is_named(fitted, monkeypatch):
    monkeypatch.setattr("steadyvelo.pl._phase_portrait._MOST_POINTS", fitted.n_obs - 1)
    hexagons = sv.pl.phase_portrait(fitted, "gene 5").collections[0]
    assert hexagons.get_array().sum() == fitted.n_obs
    points = sv.pl.phase_portrait(fitted, "gene 5", color="clusters").collections[0]
    assert len(points.get_offsets()) == fitted.n_obs
    monkeypatch.undo()
    names = {t.get_text() for t in sv.pl.phase_portrait(fitted, "gene 5").get_legend().get_texts()}
    assert names == set(fitted.obs["clusters"].cat.categories)
