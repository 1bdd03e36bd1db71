"""What the pictures hold, read back from the axes."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from scipy.spatial import KDTree

import steadyvelo as sv
from steadyvelo.model import steady_state_weights
from steadyvelo.pl._field import field_on_grid


def offsets(collection):
    return np.asarray(collection.get_offsets())


def in_order(collection, points):
    """Return the positions of cells among the points that were drawn."""
    distance, drawn = KDTree(offsets(collection)).query(points[:, :2])
    assert distance.max() < 1e-6
    return drawn


def test_a_portrait_holds_the_cells_the_line_and_the_cells_of_the_fit(fitted):
    ax = sv.pl.phase_portrait(fitted, "gene 5")
    gene = fitted.var_names.get_loc("gene 5")
    s, u = fitted.layers["Ms"][:, gene], fitted.layers["Mu"][:, gene]
    points, rings = ax.collections
    np.testing.assert_allclose(offsets(points), np.stack([s, u], axis=1), rtol=1e-6)
    w = steady_state_weights(s[None].astype(float), u[None].astype(float))[0]
    np.testing.assert_allclose(offsets(rings), np.stack([s, u], axis=1)[w > 0], rtol=1e-6)
    x, y = ax.lines[0].get_data()
    assert x.tolist() == [0, pytest.approx(s.max())]
    np.testing.assert_allclose(y, fitted.var["velocity_gamma"].iloc[gene] * x)
    assert "γ =" in ax.get_title()
    labels = {
        text.get_text()
        for legend in ax.get_children()
        if isinstance(legend, mpl.legend.Legend)
        for text in legend.get_texts()
    }
    assert {"steady state", "cells of the fit"} <= labels


def test_an_offset_lifts_the_line(prepared):
    sv.tl.velocity(prepared, offset=True)
    ax = sv.pl.phase_portrait(prepared, "gene 2")
    assert ax.lines[0].get_ydata()[0] == pytest.approx(
        prepared.var.loc["gene 2", "velocity_offset"]
    )


def test_several_genes_make_a_grid_in_the_order_asked_for(fitted):
    genes = ["gene 9", "gene 2", "gene 30"]
    axes = sv.pl.phase_portrait(fitted, genes, n_columns=2, color="branch")
    assert [ax.get_title().split("\n")[0] for ax in axes] == genes
    assert len(axes[0].figure.axes) == 3


def test_portraits_need_no_dense_layers(prepared):
    dense = prepared.copy()
    sv.tl.velocity(dense)
    sv.tl.velocity(prepared, dense=False)
    for group in (0, 1):
        ours = sv.pl.phase_portrait(prepared, "gene 8").collections[group]
        theirs = sv.pl.phase_portrait(dense, "gene 8").collections[group]
        np.testing.assert_array_equal(offsets(ours), offsets(theirs))


def test_a_part_of_the_cells_is_drawn_without_outlines_and_says_so(fitted):
    ax = sv.pl.phase_portrait(fitted[:50], "gene 5")
    assert len(ax.collections) == 1
    assert "a part of the fitted cells" in ax.get_title()


@pytest.mark.parametrize("shape", [(240,), (240, 60)])
def test_rings_follow_given_weights(prepared, shape):
    weights = np.zeros(shape)
    weights[:9] = 1.0
    sv.tl.velocity(prepared, weights=weights)
    assert len(offsets(sv.pl.phase_portrait(prepared, "gene 5").collections[1])) == 9


def test_rings_follow_groups(prepared):
    sv.tl.velocity(prepared, groups="trunk", groupby="branch", weights="all")
    rings = sv.pl.phase_portrait(prepared, "gene 5").collections[1]
    assert len(offsets(rings)) == (prepared.obs["branch"] == "trunk").sum()


def test_a_gene_without_a_fit_is_drawn_with_the_reason(prepared):
    prepared.var["genes_used"] = np.arange(60) > 0
    prepared.var["genes_reason"] = np.where(prepared.var["genes_used"], "", "too few counts")
    sv.tl.velocity(prepared)
    ax = sv.pl.phase_portrait(prepared, "gene 1")
    assert ax.get_title() == "gene 1\nno fit: too few counts"
    assert not ax.lines


def test_colours_are_those_that_scanpy_keeps(fitted):
    fitted.uns["branch_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    ax = sv.pl.velocity_stream(fitted, color="branch", alpha=1, legend_loc="right margin")
    expected = mpl.colors.to_rgba_array(fitted.uns["branch_colors"])
    codes = fitted.obs["branch"].cat.codes.to_numpy()
    drawn = in_order(ax.collections[0], fitted.obsm["X_pca"])
    np.testing.assert_allclose(ax.collections[0].get_facecolors()[drawn], expected[codes])
    legend = ax.get_legend()
    assert [t.get_text() for t in legend.get_texts()] == list(fitted.obs["branch"].cat.categories)


def test_a_palette_overrules_and_must_name_every_category(fitted):
    palette = {"trunk": "black", "branch 1": "white", "branch 2": "red"}
    ax = sv.pl.velocity_stream(fitted, color="branch", palette=palette, alpha=1)
    assert {tuple(c) for c in ax.collections[0].get_facecolors()[:, :3]} == {
        (0, 0, 0),
        (1, 1, 1),
        (1, 0, 0),
    }
    del palette["trunk"]
    with pytest.raises(KeyError, match="no colour for 'trunk'"):
        sv.pl.velocity_stream(fitted, basis="pca", color="branch", palette=palette)


def test_numbers_get_a_colour_bar(fitted):
    ax = sv.pl.velocity_stream(fitted, basis="pca", color="true_time")
    drawn = in_order(ax.collections[0], fitted.obsm["X_pca"])
    np.testing.assert_allclose(ax.collections[0].get_array()[drawn], fitted.obs["true_time"])
    assert ax.figure.axes[1].get_ylabel() == "true_time"


@pytest.mark.parametrize("n_categories", [3, 15, 40])
def test_every_category_has_a_colour_of_its_own(fitted, n_categories):
    fitted.obs["many"] = [f"c{i % n_categories:02}" for i in range(240)]
    ax = sv.pl.velocity_stream(fitted, basis="pca", color="many")
    assert len({tuple(c) for c in ax.collections[0].get_facecolors()}) == n_categories


def test_pictures_are_drawn_on_given_axes_and_change_nothing(fitted):
    keys = set(fitted.uns), set(fitted.obs), set(fitted.obsm)
    _, (left, right) = plt.subplots(1, 2)
    assert sv.pl.velocity_stream(fitted, basis="pca", color="branch", ax=left) is left
    assert sv.pl.phase_portrait(fitted, "gene 1", ax=right) is right
    assert (set(fitted.uns), set(fitted.obs), set(fitted.obsm)) == keys


def test_streamlines_follow_the_arrows_of_simulated_cells():
    adata = sv.datasets.simulate(n_cells=800, n_genes=150, n_branches=1, depth=2, rng=1)
    result = sv.run(adata, basis="pca", uncertainty=None)
    arrows = result.obsm["velocity_pca"][:, :2].copy()
    ax = sv.pl.velocity_stream(result, basis="pca")
    pieces = [
        np.stack([piece[:-1], piece[1:]], axis=1)
        for lines in ax.collections
        if isinstance(lines, LineCollection)
        for piece in lines.get_segments()
    ]
    segments = np.concatenate(pieces)
    middle, way = segments.mean(axis=1), segments[:, 1] - segments[:, 0]
    points = result.obsm["X_pca"][:, :2]
    nearest = ((middle[:, None] - points[None]) ** 2).sum(axis=2).argsort(axis=1)[:, :20]
    mean = arrows[nearest].mean(axis=1)
    cosine = (way * mean).sum(1) / np.linalg.norm(way, axis=1) / np.linalg.norm(mean, axis=1)
    # a streamline is drawn both ways from its seed; segments run along it
    assert np.nanmean(cosine) > 0.9


def test_the_field_is_the_kernel_average_of_the_arrows():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (40_000, 2))
    arrows = np.stack([points[:, 1], -points[:, 0]], axis=1)
    field = field_on_grid(points, arrows, smoothing=0.03)
    assert field.u.dtype == np.float64
    x, y = np.meshgrid(field.x, field.y)
    inner = (abs(x - 0.5) < 0.4) & (abs(y - 0.5) < 0.4)
    np.testing.assert_allclose(field.u[inner], y[inner], atol=0.01)
    np.testing.assert_allclose(field.v[inner], -x[inner], atol=0.01)


def test_the_field_is_masked_where_there_are_no_cells():
    rng = np.random.default_rng(0)
    points = np.vstack([rng.normal(0, 0.1, (500, 2)), rng.normal(5, 0.1, (500, 2))])
    field = field_on_grid(points, np.ones_like(points))
    x, y = np.meshgrid(field.x, field.y)
    assert field.u.mask[(abs(x - 2.5) < 1) & (abs(y - 2.5) < 1)].all()
    np.testing.assert_allclose(field.u.compressed(), 1)


def test_cells_without_an_arrow_do_not_pull_the_field_to_zero():
    points = np.random.default_rng(0).uniform(0, 1, (2000, 2))
    arrows = np.ones_like(points)
    arrows[::2] = np.nan
    np.testing.assert_allclose(field_on_grid(points, arrows).u.compressed(), 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: sv.pl.phase_portrait(a, "Actb"), KeyError, r"no genes of adata: 'Actb'"),
        (lambda a: sv.pl.phase_portrait(a, []), KeyError, "genes is empty"),
        (
            lambda a: sv.pl.phase_portrait(a, ["gene 1", "gene 2"], ax=plt.gca()),
            ValueError,
            "ax must have one axes for each of 2 genes; it has 1",
        ),
        (lambda a: sv.pl.phase_portrait(a, "gene 1", color="no"), KeyError, "color='no' is not"),
        (lambda a: sv.pl.velocity_stream(a, basis="umap"), KeyError, "'umap' is not in"),
        (
            lambda a: sv.pl.velocity_stream(a, basis="pca", components=(0, 99)),
            ValueError,
            "must be smaller than 10, the number of dimensions",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(fitted, call, error, message):
    with pytest.raises(error, match=message):
        call(fitted)


def test_a_stream_without_arrows_is_refused(fitted):
    fitted.obsm["velocity_pca"][:] = np.nan
    with pytest.raises(ValueError, match="no cell has an arrow"):
        sv.pl.velocity_stream(fitted, basis="pca")
    del fitted.obsm["velocity_pca"]
    with pytest.raises(KeyError, match=r"run tl.velocity_embedding"):
        sv.pl.velocity_stream(fitted, basis="pca")


def test_a_portrait_shows_what_its_own_fit_has_seen(prepared):
    sv.pp.neighbors(prepared, n_neighbors=60, key_added="many")
    sv.tl.velocity(prepared, dense=False, neighbors_key="many")
    expected = offsets(sv.pl.phase_portrait(prepared, "gene 3").collections[0])
    sv.pp.moments(prepared)
    again = offsets(sv.pl.phase_portrait(prepared, "gene 3").collections[0])
    np.testing.assert_array_equal(again, expected)


def test_a_part_of_the_cells_without_layers_says_what_to_do(prepared):
    sv.tl.velocity(prepared, dense=False)
    with pytest.raises(ValueError, match=r"rerun pp\.neighbors and tl\.velocity on"):
        sv.pl.phase_portrait(prepared[:50].copy(), "gene 3")


def test_colours_in_uns_may_be_a_mapping_or_triples(fitted):
    names = list(fitted.obs["branch"].cat.categories)
    triples = [(0.1 * k, 0.2, 0.3) for k in range(len(names))]
    for stored in (dict(zip(names, triples, strict=True)), triples, np.array(triples)):
        fitted.uns["branch_colors"] = stored
        ax = sv.pl.velocity_stream(fitted, color="branch", alpha=1, legend_loc="right margin")
        marks = [handle.get_color() for handle in ax.get_legend().legend_handles]
        np.testing.assert_allclose(np.array(marks)[:, :3], triples)


def test_colours_that_are_none_are_named(fitted):
    fitted.uns["branch_colors"] = ["grey50"] * 3
    with pytest.warns(sv.SteadyveloWarning, match=r"uns\['branch_colors'\] has 'grey50'"):
        sv.pl.velocity_stream(fitted, basis="pca", color="branch")


def test_dollars_in_names_are_text(fitted):
    fitted.obs["branch"] = fitted.obs["branch"].cat.rename_categories({"trunk": r"$\bad$"})
    ax = sv.pl.velocity_stream(fitted, basis="pca", color="branch", legend_loc="on data")
    ax.figure.canvas.draw()
    assert r"\$\bad\$" in [text.get_text() for text in ax.texts]
