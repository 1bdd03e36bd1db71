"""Streams, grids and arrows: what they show, and what they leave faint."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.quiver import Quiver
from scipy.ndimage import uniform_filter1d

import steadyvelo as sv
from steadyvelo.pl._plane import FAINT, STRONG, Plane, field_on_grid


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def trajectory():
    adata = sv.datasets.simulate(n_cells=1500, n_genes=200, n_branches=1, depth=2, rng=1)
    return sv.run(adata, basis="pca", uncertainty=None)


def with_test(adata, determined):
    adata.obs["velocity_pca_determined"] = determined
    return adata


def quiver(ax):
    return next(c for c in ax.collections if isinstance(c, Quiver))


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
    field = Plane.of(trajectory, "pca", "velocity", (0, 1)).field(50, 1.0, 0.05)
    cosine = (field.u * truth.u + field.v * truth.v) / field.length / truth.length
    assert cosine.count() > 100
    assert cosine.mean() > 0.9


def test_a_grid_draws_the_field(trajectory):
    ax = sv.pl.velocity_grid(trajectory, basis="pca", n_grid=30, arrow_length=1.5)
    arrows = quiver(ax)
    field = Plane.of(trajectory, "pca", "velocity", (0, 1)).field(30, 1.0, 0.05)
    there = ~field.u.mask
    np.testing.assert_allclose(arrows.U, field.u[there])
    np.testing.assert_allclose(arrows.V, field.v[there])
    x, y = np.meshgrid(field.x, field.y)
    np.testing.assert_allclose(arrows.XY, np.stack([x[there], y[there]], axis=1))
    # lengths in units of the axes: the longest is what was asked for
    step = min(np.diff(field.x)[0], np.diff(field.y)[0])
    assert np.hypot(arrows.U, arrows.V).max() / arrows.scale == pytest.approx(1.5 * step)


def test_every_cell_has_its_arrow_and_cells_without_one_have_none(trajectory):
    adata = trajectory.copy()
    adata.obsm["velocity_pca"][:7] = np.nan
    ax = sv.pl.velocity_arrows(adata, basis="pca", components=(1, 0))
    arrows = quiver(ax)
    np.testing.assert_allclose(arrows.XY, adata.obsm["X_pca"][7:, [1, 0]])
    np.testing.assert_allclose(arrows.U, adata.obsm["velocity_pca"][7:, 1])
    assert len(ax.collections[0].get_offsets()) == adata.n_obs
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("pca 2", "pca 1")
    assert not arrows.get_rasterized()


def test_arrows_that_are_not_determined_are_faint_and_the_legend_says_so(trajectory):
    adata = with_test(trajectory.copy(), np.arange(1500) % 3 == 0)
    ax = sv.pl.velocity_arrows(adata, basis="pca", color="clusters")
    colors = quiver(ax).get_facecolors()
    strong, faint = (mpl.colors.to_rgba(c) for c in (STRONG, FAINT))
    assert [tuple(c) for c in colors[:3]] == [strong, faint, faint]
    assert {"direction determined", "not determined"} <= set(texts(ax))
    # the legend of the colours is still there
    assert set(adata.obs["clusters"].cat.categories) <= set(texts(ax))
    assert not texts(sv.pl.velocity_arrows(trajectory, basis="pca"))


@pytest.mark.parametrize("drawn", ["velocity_stream", "velocity_grid"])
def test_where_most_cells_have_no_direction_the_field_is_faint(trajectory, drawn):
    points = trajectory.obsm["X_pca"][:, 0]
    adata = with_test(trajectory.copy(), points > np.median(points))
    ax = getattr(sv.pl, drawn)(adata, basis="pca")
    assert "not determined" in texts(ax)
    if drawn == "velocity_grid":
        arrows = quiver(ax)
        right = arrows.XY[:, 0] > np.median(points) + 0.1 * np.ptp(points)
        left = arrows.XY[:, 0] < np.median(points) - 0.1 * np.ptp(points)
        colors = arrows.get_facecolors()
        assert (colors[right] == mpl.colors.to_rgba(STRONG)).all()
        assert (colors[left] == mpl.colors.to_rgba(FAINT)).all()
    else:
        lines = next(c for c in ax.collections if hasattr(c, "get_segments"))
        middle = np.array([s.mean(axis=0)[0] for s in lines.get_segments()])
        shown = lines.to_rgba(lines.get_array())
        far = abs(middle - np.median(points)) > 0.1 * np.ptp(points)
        strong = (shown == mpl.colors.to_rgba(STRONG)).all(axis=1)
        np.testing.assert_array_equal(strong[far], middle[far] > np.median(points))


def test_names_on_data_stand_in_the_middle_of_their_cells(trajectory):
    ax = sv.pl.velocity_grid(trajectory, basis="pca", color="clusters", legend_loc="on data")
    assert ax.get_legend() is None
    places = {t.get_text(): t.get_position() for t in ax.texts}
    for name in trajectory.obs["clusters"].cat.categories:
        inside = (trajectory.obs["clusters"] == name).to_numpy()
        middle = np.median(trajectory.obsm["X_pca"][inside, :2], axis=0)
        np.testing.assert_allclose(places[name], middle)


def test_many_points_are_pixels_in_a_vector_file(trajectory, tmp_path):
    adata = trajectory[np.arange(6000) % 1500].copy()
    adata.obs_names_make_unique()
    ax = sv.pl.velocity_arrows(adata, basis="pca")
    assert quiver(ax).get_rasterized()
    ax.figure.savefig(tmp_path / "arrows.svg")
    text = (tmp_path / "arrows.svg").read_text()
    assert "<image" in text
    assert len(text) < 1_000_000


def test_the_control_stands_beside_the_data(trajectory):
    adata = trajectory.copy()
    with pytest.raises(KeyError, match=r"run tl\.randomized_velocity"):
        sv.pl.control(adata, basis="pca")
    sv.tl.randomized_velocity(adata, basis="pca")
    data, randomised = sv.pl.control(adata, basis="pca", color="clusters")
    assert (data.get_title(), randomised.get_title()) == ("data", "randomised")
    assert data.get_legend() is None
    assert randomised.get_legend() is not None
    alone = sv.pl.velocity_stream(adata, basis="pca", color="clusters")
    for panel, expected in ((data, alone),):
        segments = [
            next(c for c in ax.collections if hasattr(c, "get_segments")).get_segments()
            for ax in (panel, expected)
        ]
        assert len(segments[0]) == len(segments[1])
    points, ways = true_ways(adata)
    truth = field_on_grid(points, ways / np.linalg.norm(ways, axis=1, keepdims=True))
    field = Plane.of(adata, "pca", "velocity_randomized", (0, 1)).field(50, 1.0, 0.05)
    cosine = (field.u * truth.u + field.v * truth.v) / field.length / truth.length
    assert abs(cosine.mean()) < 0.5
    with pytest.raises(ValueError, match="ax must hold two axes"):
        sv.pl.control(adata, basis="pca", ax=[plt.gca()])


def test_nothing_is_shown_unless_asked(trajectory, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(1))
    for draw in (sv.pl.velocity_stream, sv.pl.velocity_grid, sv.pl.velocity_arrows):
        draw(trajectory, basis="pca")
        assert not shown
        draw(trajectory, basis="pca", show=True)
        assert shown.pop()
