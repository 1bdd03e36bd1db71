"""Streams, grids and arrows: what they show, and what they leave faint."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.quiver import Quiver
from scipy.ndimage import uniform_filter1d
from scipy.spatial import KDTree

import steadyvelo as sv
from steadyvelo.get._control_agreement import chance_agreement
from steadyvelo.pl._field import field_on_grid
from steadyvelo.pl._plane import Plane
from steadyvelo.pl._style import STRONG


@pytest.fixture(scope="module")
def trajectory():
    adata = sv.datasets.simulate(n_cells=1500, n_genes=200, n_branches=1, depth=2, rng=1)
    return sv.run(adata, basis="pca", uncertainty=None)


def with_test(adata, determined):
    adata.obs["velocity_pca_determined"] = determined
    return adata


def quivers(ax):
    """Return the arrows that are not significant, and those that are."""
    return [c for c in ax.collections if isinstance(c, Quiver)]


def lines(ax):
    """Return the pieces of streamlines that are not significant, and those that are."""
    return [c for c in ax.collections if isinstance(c, LineCollection)]


def texts(ax):
    legends = [c for c in ax.get_children() if isinstance(c, mpl.legend.Legend)]
    return [t.get_text() for legend in legends for t in legend.get_texts()]


def true_ways(adata):
    """Directions in which the mean position on the plane moves with true time."""
    order = np.argsort(adata.obs["true_time"].to_numpy())
    points = adata.obsm["X_pca"][:, :2].astype(float)
    mean = uniform_filter1d(points[order], 101, axis=0, mode="nearest")
    ways = np.empty_like(points)
    ways[order] = np.gradient(mean, axis=0)
    return points, ways


def test_the_field_follows_the_true_direction(trajectory):
    points, ways = true_ways(trajectory)
    truth = field_on_grid(points, ways / np.linalg.norm(ways, axis=1, keepdims=True))
    field = Plane.of(trajectory, "pca", "velocity", (0, 1)).field(0.02, 3)
    cosine = (field.u * truth.u + field.v * truth.v) / field.length / truth.length
    assert cosine.count() > 100
    assert cosine.mean() > 0.9


def test_a_grid_draws_the_field(trajectory):
    ax = sv.pl.velocity_grid(trajectory, basis="pca", n_grid=30, arrow_length=1.5)
    pale, arrows = quivers(ax)
    assert len(pale.U) == 0
    plane = Plane.of(trajectory, "pca", "velocity", (0, 1))
    field = plane.field(0.02, 3, coarse_step=1 / 30)
    step = field.side / 30
    way = np.stack([arrows.U, arrows.V], axis=1)
    length = np.linalg.norm(way, axis=1)
    means = np.stack([field.at(part.filled(0.0), arrows.XY) for part in (field.u, field.v)], axis=1)
    mean = np.linalg.norm(means, axis=1)
    np.testing.assert_allclose(way / length[:, None], means / mean[:, None], atol=1e-6)
    # places lie a step from each other on both axes, but for some in narrow parts
    steps = (arrows.XY - [field.x[0], field.y[0]]) / field.step
    n = round(step / field.step)
    square = (np.rint(steps) % n == n // 2).all(axis=1)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    assert square.mean() > 0.8
    among = KDTree(arrows.XY).query(arrows.XY[~square], k=2)[0][:, 1]
    assert among.min() >= 0.9 * step
    # in proportion up to the 90th percentile, which is as long as was asked for
    drawn = length / arrows.scale
    assert drawn.max() == pytest.approx(1.5 * step)
    assert drawn.min() >= 0.4 * 1.5 * step * (1 - 1e-9)
    expected = 1.5 * step * np.clip(mean / np.quantile(mean, 0.9), 0.4, 1)
    np.testing.assert_allclose(drawn, expected, rtol=1e-6)


@pytest.mark.parametrize("height", [0.0, 0.011, 0.02, 0.033])
def test_a_thin_branch_has_arrows_wherever_the_grid_lies(on_a_plane, height):
    rng = np.random.default_rng(0)
    dense = rng.normal(0, 0.1, (20_000, 2))
    thin = np.stack([np.linspace(0.4, 1.4, 80), np.full(80, height)], axis=1)
    points = np.concatenate([dense, thin])
    adata = on_a_plane(points, np.full(points.shape, [1.0, 0.0]))
    _, arrows = quivers(sv.pl.velocity_grid(adata))
    x = np.sort(arrows.XY[(arrows.XY[:, 0] > 0.5) & (abs(arrows.XY[:, 1] - height) < 0.03), 0])
    step = np.ptp(points, axis=0).max() / 45
    assert np.diff(x).max() < 2 * step


def test_every_cell_has_its_arrow_and_cells_without_one_have_none(trajectory):
    adata = trajectory.copy()
    adata.obsm["velocity_pca"][:7] = np.nan
    ax = sv.pl.velocity_arrows(adata, basis="pca", components=(1, 0), spacing=0)
    _, arrows = quivers(ax)
    np.testing.assert_allclose(arrows.XY, adata.obsm["X_pca"][7:, [1, 0]])
    way = adata.obsm["velocity_pca"][7:, [1, 0]]
    drawn = np.stack([arrows.U, arrows.V], axis=1)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (drawn, way)]
    np.testing.assert_allclose(*unit, atol=1e-9)
    assert len(ax.collections[0].get_offsets()) == adata.n_obs
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("pca 2", "pca 1")
    assert not arrows.get_rasterized()


@pytest.mark.parametrize("spacing", [0.01, 0.03, 0.1])
def test_arrows_are_thinned_evenly(trajectory, spacing):
    _, arrows = quivers(sv.pl.velocity_arrows(trajectory, spacing=spacing))
    points = trajectory.obsm["X_pca"][:, :2]
    side = np.ptp(points, axis=0).max()
    among = KDTree(arrows.XY).query(arrows.XY, k=2)[0][:, 1]
    assert among.min() >= spacing * side
    # no gap into which another arrow would fit but for the squares that cells are taken from
    assert KDTree(arrows.XY).query(points)[0].max() < 1.4 * spacing * side


def test_arrows_have_the_colours_of_their_cells_and_an_outline(trajectory):
    _, arrows = quivers(sv.pl.velocity_arrows(trajectory, spacing=0))
    colors = np.array([mpl.colors.to_rgba(c) for c in mpl.color_sequences["tab10"]])
    codes = trajectory.obs["clusters"].cat.codes.to_numpy()
    np.testing.assert_allclose(arrows.get_facecolors(), colors[codes])
    np.testing.assert_allclose(arrows.get_edgecolors(), [mpl.colors.to_rgba(STRONG)])
    assert 0 < arrows.get_linewidths()[0] < 0.5
    plain = quivers(sv.pl.velocity_arrows(trajectory, color=None, spacing=0))[1]
    assert {tuple(c) for c in plain.get_facecolors()} == {mpl.colors.to_rgba(STRONG)}


def test_arrows_that_are_not_significant_are_pale_and_the_legend_says_so(trajectory):
    adata = with_test(trajectory.copy(), np.arange(1500) % 3 == 0)
    ax = sv.pl.velocity_arrows(adata, color="clusters", legend_loc="right margin", spacing=0)
    pale, strong = quivers(ax)
    np.testing.assert_allclose(strong.XY, adata.obsm["X_pca"][::3, :2])
    np.testing.assert_allclose(pale.XY, adata.obsm["X_pca"][np.arange(1500) % 3 > 0, :2])
    assert len(np.unique(pale.get_facecolors(), axis=0)) == 1
    assert pale.width < strong.width
    assert {"significant direction (p < 0.05)", "not significant"} <= set(texts(ax))
    # the legend of the colours is still there
    assert set(adata.obs["clusters"].cat.categories) <= set(texts(ax))
    assert not texts(sv.pl.velocity_arrows(trajectory, basis="pca"))


@pytest.mark.parametrize("drawn", ["velocity_stream", "velocity_grid"])
def test_where_most_cells_have_no_direction_the_field_is_thin_and_pale(trajectory, drawn):
    points = trajectory.obsm["X_pca"][:, 0]
    middle, far = np.median(points), 0.1 * np.ptp(points)
    adata = with_test(trajectory.copy(), points > middle)
    ax = getattr(sv.pl, drawn)(adata, basis="pca")
    assert "not significant" in texts(ax)
    pale, strong = quivers(ax)
    assert pale.XY[:, 0].max() < middle + far
    assert strong.XY[:, 0].min() > middle - far
    assert min(len(pale.U), len(strong.U)) > 5
    assert pale.width < strong.width
    if drawn == "velocity_stream":
        pale, strong = lines(ax)
        assert np.concatenate(pale.get_segments())[:, 0].max() < middle + far
        assert np.concatenate(strong.get_segments())[:, 0].min() > middle - far
        assert max(pale.get_linewidths()) < min(strong.get_linewidths())


def test_where_nothing_was_tested_all_lines_are_alike(trajectory):
    pale, strong = lines(sv.pl.velocity_stream(trajectory))
    assert len(pale.get_segments()) == 0
    np.testing.assert_allclose(strong.get_colors(), [mpl.colors.to_rgba(STRONG)])


def test_names_on_data_are_in_the_middle_of_their_cells(trajectory):
    ax = sv.pl.velocity_grid(trajectory, basis="pca", color="clusters", legend_loc="on data")
    assert ax.get_legend() is None
    places = {t.get_text(): t.get_position() for t in ax.texts}
    for name in trajectory.obs["clusters"].cat.categories:
        inside = trajectory.obsm["X_pca"][trajectory.obs["clusters"] == name, :2]
        away = np.linalg.norm(inside - np.median(inside, axis=0), axis=1)
        np.testing.assert_allclose(places[name], inside[away.argmin()])


def test_many_points_are_pixels_in_a_vector_file(trajectory, tmp_path):
    adata = trajectory[np.arange(6000) % 1500].copy()
    adata.obs_names_make_unique()
    ax = sv.pl.velocity_arrows(adata, basis="pca", spacing=0)
    assert quivers(ax)[1].get_rasterized()
    ax.figure.savefig(tmp_path / "arrows.svg")
    text = (tmp_path / "arrows.svg").read_text()
    assert "<image" in text
    assert len(text) < 1_000_000


def test_controls_are_drawn_beside_the_data(trajectory):
    adata = trajectory.copy()
    with pytest.raises(KeyError, match=r"run tl\.randomized_velocity"):
        sv.pl.control(adata, basis="pca")
    sv.tl.randomized_velocity(adata, basis="pca")
    panels = sv.pl.control(adata, basis="pca", color="clusters")
    titles = ["data", *(f"control {number}" for number in range(1, 5))]
    assert [panel.get_title() for panel in panels] == titles
    names = set(adata.obs["clusters"].cat.categories)
    for panel in panels:
        assert panel.get_legend() is None
        assert {text.get_text() for text in panel.texts} == names
    table = sv.get.control_agreement(adata, "clusters", basis="pca")
    assert " ".join(panels[0].figure.get_supxlabel().split()) == chance_agreement(table)
    panels = sv.pl.control(adata, legend_loc="right margin")
    assert [panel.get_legend() is not None for panel in panels] == [False] * 4 + [True]
    points, ways = true_ways(adata)
    truth = field_on_grid(points, ways / np.linalg.norm(ways, axis=1, keepdims=True))
    found = []
    for number in range(4):
        arrows = adata.obsm["velocity_randomized_pca"][:, number, :2]
        field = field_on_grid(points, arrows)
        cosine = (field.u * truth.u + field.v * truth.v) / field.length / truth.length
        found.append(cosine.mean())
    assert abs(np.mean(found)) < 0.5
    with pytest.raises(ValueError, match="ax must have 5 axes, for the data and each control"):
        sv.pl.control(adata, basis="pca", ax=[plt.gca()])
    _, axes = plt.subplots(1, 5)
    assert sv.pl.control(adata, color=None, ax=axes)[0].figure.get_supxlabel() == ""


def test_lines_of_controls_have_the_scale_of_the_data(trajectory):
    adata = trajectory.copy()
    sv.tl.randomized_velocity(adata, basis="pca", n_controls=2)
    # the second control is the data, the first has arrows of a tenth of their length
    arrows = adata.obsm["velocity_randomized_pca"]
    arrows[:, 0] = 0.1 * adata.obsm["velocity_pca"]
    arrows[:, 1] = adata.obsm["velocity_pca"]
    drawn = [lines(panel)[1] for panel in sv.pl.control(adata)]
    data, short, same = (
        [np.linalg.norm(np.diff(piece, axis=0), axis=1).sum() for piece in of.get_segments()]
        for of in drawn
    )
    np.testing.assert_array_equal(data, same)
    side = np.ptp(adata.obsm["X_pca"][:, :2], axis=0).max()
    assert max(short) <= 0.1 * side
    assert max(data) > 2 * max(short)
    thin, thick = (max(of.get_linewidths()) for of in (drawn[1], drawn[0]))
    assert thin < 0.5 * thick


def test_lines_of_controls_are_dark_where_their_own_cells_are_significant(trajectory):
    adata = trajectory.copy()
    sv.tl.randomized_velocity(adata, basis="pca", n_controls=3, rng=7)
    untested = sv.pl.control(adata)
    assert not any(len(lines(panel)[0].get_segments()) for panel in untested)
    with_test(adata, np.ones(adata.n_obs, dtype=bool))
    masks = np.zeros((adata.n_obs, 2), dtype=bool)
    masks[:, 1] = True
    adata.obsm["velocity_pca_determined_in_controls"] = masks
    params = adata.uns["velocity_params"]
    for seed, dark in ((7, [True, False, True, False]), (8, [True, False, False, False])):
        adata.uns["velocity_params"] = {**params, "directions": {"pca": {"rng": seed}}}
        panels = sv.pl.control(adata)
        for panel, expected in zip(panels, dark, strict=True):
            pale, strong = (len(of.get_segments()) for of in lines(panel))
            assert (pale == 0, strong == 0) == (expected, not expected)
        # said once
        said = ["not significant" in texts(panel) for panel in panels]
        assert said == [True, False, False, False]


def test_nothing_is_shown_unless_asked(trajectory, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(1))
    for draw in (sv.pl.velocity_stream, sv.pl.velocity_grid, sv.pl.velocity_arrows):
        draw(trajectory, basis="pca")
        assert not shown
        draw(trajectory, basis="pca", show=True)
        assert shown.pop()
