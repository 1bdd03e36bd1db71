"""Legends of many categories: all names are in the picture, and the axes keep their size."""

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.legend import Legend

import steadyvelo as sv
from steadyvelo.pl._legend import make_room
from steadyvelo.pl._save import save_png

GENES = ["gene 9", "gene 2", "gene 30", "gene 4", "gene 7"]


@pytest.fixture
def clusters(fitted):
    """Cells in 3 and in 60 clusters, with what pictures need."""
    for name, n_clusters in (("few", 3), ("many", 60)):
        names = [f"cluster {k % n_clusters}" for k in range(fitted.n_obs)]
        fitted.obs[name] = pd.Categorical(names)
    sv.tl.velocity_pseudotime(fitted)
    sv.tl.randomized_velocity(fitted, basis="pca")
    return fitted


BESIDE = {"legend_loc": "right margin"}
PICTURES = {
    "stream": lambda adata, color: [sv.pl.velocity_stream(adata, color=color, **BESIDE)],
    "graph": lambda adata, color: [sv.pl.velocity_graph(adata, color=color, **BESIDE)],
    "control": lambda adata, color: sv.pl.control(adata, color=color, **BESIDE),
    "portrait": lambda adata, color: [sv.pl.phase_portrait(adata, "gene 9", color=color)],
    "portraits": lambda adata, color: sv.pl.phase_portrait(adata, GENES, color=color),
    "heat map": lambda adata, color: [sv.pl.heatmap(adata, GENES, color=color)],
}


def drawn(figure):
    """Lay out a figure; a layout that does not fit is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()


def names_inside(figure):
    """Return the names of categories that lie wholly in the figure."""
    legends = [one for one in figure.findobj(Legend) if (one.get_gid() or "").startswith("legend")]
    texts = [text for legend in legends for text in legend.get_texts()]
    extents = [text.get_window_extent() for text in texts]
    width, height = figure.get_size_inches() * figure.dpi
    return {
        text.get_text()
        for text, box in zip(texts, extents, strict=True)
        if box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
    }


@pytest.mark.parametrize("picture", PICTURES)
def test_every_name_is_in_the_picture_and_the_axes_keep_their_size(clusters, picture):
    sizes = {}
    for color in ("few", "many"):
        axes = PICTURES[picture](clusters, color)
        figure = axes[0].figure
        drawn(figure)
        assert names_inside(figure) == {str(name) for name in clusters.obs[color].cat.categories}
        sizes[color] = axes[0].get_window_extent().size
    assert np.all(sizes["many"] >= 0.9 * sizes["few"])


def test_every_name_is_in_a_saved_picture_of_cells_in_a_square(clusters, tmp_path):
    """Such axes get lower after they got narrower for the legend, so one arrangement is too few."""
    angle = np.linspace(0, 2 * np.pi, clusters.n_obs)
    clusters.obsm["X_ring"] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    sv.tl.velocity_embedding(clusters, basis="ring")
    names = "a cluster with a long name, " + clusters.obs["many"].astype(str)
    clusters.obs["long"] = names.astype("category")
    figure = sv.pl.velocity_stream(clusters, basis="ring", color="long", **BESIDE).figure
    save_png(figure, tmp_path / "ring.png", dpi=150)
    assert len(names_inside(figure)) == 60


def test_axes_that_were_given_are_not_made_larger(clusters):
    figure, axes = plt.subplots(2, 3, figsize=(14, 7), layout="constrained")
    sv.pl.phase_portrait(clusters, GENES, color="many", ax=axes.ravel()[:5])
    drawn(figure)
    assert figure.get_size_inches().tolist() == [14, 7]
    assert len(names_inside(figure)) == 60
    # beside all panels, which are equally wide
    widths = [ax.get_window_extent().width for ax in axes.ravel()[:5]]
    np.testing.assert_allclose(widths, widths[0], rtol=1e-6)


def test_a_figure_without_layout_has_its_legend_at_the_last_axes(clusters):
    _, axes = plt.subplots(1, 2)
    sv.pl.phase_portrait(clusters, GENES[:2], color="few", ax=axes)
    names = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in axes]
    assert names == [["cells of the fit", "steady state"], ["cluster 0", "cluster 1", "cluster 2"]]


def test_axes_of_two_figures_have_their_legend_at_the_last(clusters):
    axes = [plt.subplots(layout="constrained")[1] for _ in range(2)]
    for color in ("few", "velocity_pseudotime"):
        sv.pl.phase_portrait(clusters, GENES[:2], color=color, ax=axes)
    assert axes[1].get_legend() is not None
    assert [len(ax.figure.axes) for ax in axes] == [1, 2]


def test_numbers_have_one_colour_bar_beside_all_panels(clusters):
    axes = sv.pl.phase_portrait(clusters, GENES, n_columns=3, color="velocity_pseudotime")
    drawn(axes[0].figure)
    widths = [ax.get_window_extent().width for ax in axes]
    np.testing.assert_allclose(widths, widths[0], rtol=1e-6)
    assert len(axes[0].figure.axes) == 6


def test_room_is_made_for_legends_outside_alone():
    figure = Figure(figsize=(5, 4))
    ax = figure.subplots()
    ax.plot([0, 1], label="a name that is wider than the room that a figure has anyway" * 3)
    ax.legend()
    make_room(figure)
    assert figure.get_size_inches().tolist() == [5, 4]
