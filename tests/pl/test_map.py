"""The map that pictures on an embedding share: limits, frame, areas of points, tones."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.quiver import Quiver

import steadyvelo as sv
from steadyvelo.pl._style import STRONG, tone_apart

DRAWN = (sv.pl.velocity_stream, sv.pl.velocity_grid, sv.pl.velocity_arrows)
RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(600, 2)) * [3.0, 1.0]


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize("given_axes", [False, True])
def test_a_map_has_equal_scales_no_frame_no_title_and_all_cells(on_a_plane, draw, given_axes):
    ax = draw(on_a_plane(POINTS, POINTS), ax=plt.subplots()[1] if given_axes else None)
    assert ax.get_aspect() == 1
    assert not ax.axison
    assert ax.get_title() == ""
    margin = 0.04 * np.ptp(POINTS, axis=0).max()
    low, high = POINTS.min(axis=0) - margin, POINTS.max(axis=0) + margin
    np.testing.assert_allclose([ax.get_xlim(), ax.get_ylim()], np.stack([low, high], axis=1))
    if not given_axes:
        # the figure has the proportions of the cells
        width, height = ax.figure.get_size_inches()
        assert max(width, height) == pytest.approx(7)
        assert min(width, height) == pytest.approx(max(3, 7 * (high - low)[1] / (high - low)[0]))
    assert draw(on_a_plane(POINTS, POINTS), title="mine").get_title() == "mine"


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize(
    "points",
    [
        np.stack([np.linspace(0, 1, 50), np.zeros(50)], axis=1),
        np.stack([np.full(50, 3.0), np.linspace(0, 1e-6, 50)], axis=1),
        np.zeros((50, 2)),
        np.array([[0.0, 0.0], [1.0, 1.0]]),
        np.zeros((1, 2)),
    ],
    ids=["row", "column", "one place", "two cells", "one cell"],
)
def test_any_cells_can_be_drawn(on_a_plane, draw, points):
    ax = draw(on_a_plane(points, np.full(points.shape, 0.1)))
    ax.figure.canvas.draw()
    for limits, values in zip((ax.get_xlim(), ax.get_ylim()), points.T, strict=True):
        assert limits[0] < values.min() <= values.max() < limits[1]
    # the area of a few cells is smaller than a line is long, or may lie between places of a grid
    if draw is sv.pl.velocity_arrows:
        assert sum(len(c.U) for c in ax.collections if isinstance(c, Quiver)) > 0


@pytest.mark.parametrize("draw", DRAWN)
def test_a_view_and_three_dimensions_are_drawn_and_left_as_they_are(on_a_plane, draw):
    points = RNG.normal(size=(300, 3))
    adata = on_a_plane(points, points, ["a", "b", "c"] * 100)
    view = adata[::2]
    ax = draw(view, components=(0, 2))
    assert view.is_view
    drawn = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(points[::2, [0, 2]], axis=0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("umap 1", "umap 3")


def test_cells_without_arrows_have_points(on_a_plane):
    arrows = POINTS.copy()
    arrows[1:] = np.nan
    for draw in DRAWN:
        ax = draw(on_a_plane(POINTS, arrows))
        assert len(ax.collections[0].get_offsets()) == 600
    (arrow,) = next(c for c in ax.collections if isinstance(c, Quiver) and len(c.U)).XY
    np.testing.assert_allclose(arrow, POINTS[0])


def test_points_are_opaque_and_mixed_with_the_background(on_a_plane):
    adata = on_a_plane(POINTS, POINTS, ["a", "b"] * 300)
    named = np.array([mpl.colors.to_rgb(c) for c in mpl.color_sequences["tab10"][:2]])
    for behind in ("white", "black"):
        _, ax = plt.subplots(facecolor=behind)
        ax.set_facecolor(behind)
        sv.pl.velocity_stream(adata, ax=ax, alpha=0.4)
        colors = np.unique(ax.collections[0].get_facecolors(), axis=0)
        expected = 0.4 * named + 0.6 * np.array(mpl.colors.to_rgb(behind))
        np.testing.assert_allclose(colors, np.c_[expected, [1, 1]][np.argsort(expected[:, 0])])


def test_clusters_that_mix_are_drawn_in_random_order(on_a_plane):
    clusters = np.repeat(["below", "above"], 300)
    ax = sv.pl.velocity_stream(on_a_plane(POINTS, POINTS, clusters))
    first = ax.collections[0].get_facecolors()[:300]
    share = (first == first[0]).all(axis=1).mean()
    assert 0.4 < share < 0.6


def test_cells_of_no_cluster_and_of_no_number_lie_below_in_grey(on_a_plane):
    adata = on_a_plane(POINTS, POINTS)
    adata.obs["clusters"] = pd.Categorical(np.where(np.arange(600) < 200, None, "some"))
    adata.obs["number"] = np.where(np.arange(600) < 200, np.nan, 1.0)
    for color in ("clusters", "number"):
        ax = sv.pl.velocity_stream(adata, color=color)
        ax.figure.canvas.draw()
        points = ax.collections[0]
        assert len(points.get_offsets()) == 600
        first = points.get_facecolors()[:200, :3]
        np.testing.assert_allclose(first, np.broadcast_to(first[:1, :1], first.shape))
        assert (points.get_facecolors()[200:, :3] != first[0]).any(axis=1).all()


def test_the_colour_bar_has_the_colours_of_the_points(on_a_plane):
    adata = on_a_plane(POINTS, POINTS)
    adata.obs["number"] = np.arange(600.0)
    ax = sv.pl.velocity_stream(adata, color="number")
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "number"
    points = ax.collections[0]
    assert points.colorbar.cmap is points.cmap
    np.testing.assert_allclose(
        points.cmap(0)[:3], 0.55 * np.array(mpl.colormaps["viridis"](0)[:3]) + 0.45
    )


@pytest.mark.parametrize("n_cells", [1_500, 20_000, 300_000])
def test_points_form_areas_whatever_their_number(on_a_plane, n_cells):
    points = np.random.default_rng(1).uniform(size=(n_cells, 2))
    ax = sv.pl.velocity_stream(on_a_plane(points, np.ones_like(points)))
    inches = ax.get_window_extent().size.max() / ax.figure.dpi
    covered = n_cells * ax.collections[0].get_sizes()[0] / (72 * inches) ** 2
    assert covered > 0.5


rgb = st.tuples(*[st.floats(0, 1)] * 3)


@given(colors=st.lists(rgb, max_size=6))
def test_the_pale_tone_is_no_clusters_colour(colors):
    tone = np.array(mpl.colors.to_rgb(tone_apart(colors)))
    distance = min((np.linalg.norm(tone - np.array(c)) for c in colors), default=1.0)
    assert distance > 0.06
    assert tone.mean() > np.mean(mpl.colors.to_rgb(STRONG)) + 0.2


def test_the_pale_tone_of_a_picture_differs_from_the_colours_in_it(on_a_plane):
    adata = on_a_plane(POINTS, POINTS, ["a", "b", "c"] * 200)
    adata.obs["velocity_umap_determined"] = POINTS[:, 0] > 0
    adata.uns["clusters_colors"] = ["#8a8a8a", "#8fbc8f", "#c0c0c0"]
    for draw in DRAWN:
        ax = draw(adata)
        pale = next(c for c in ax.collections if isinstance(c, Quiver))
        tone = pale.get_facecolors()[0, :3]
        named = [mpl.colors.to_rgb(c) for c in adata.uns["clusters_colors"]]
        drawn = np.unique(ax.collections[0].get_facecolors()[:, :3], axis=0)
        assert np.linalg.norm(np.array([*named, *drawn]) - tone, axis=1).min() >= 0.2


def test_the_note_on_significance_is_in_the_emptiest_corner(on_a_plane):
    angle = RNG.uniform(0, 1.5 * np.pi, 2000)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1) * RNG.uniform(0, 2, (2000, 1))
    adata = on_a_plane(points, points)
    adata.obs["velocity_umap_determined"] = True
    ax = sv.pl.velocity_stream(adata)
    (note,) = [c for c in ax.get_children() if isinstance(c, mpl.legend.Legend)]
    assert note._loc == mpl.legend.Legend.codes["lower right"]
