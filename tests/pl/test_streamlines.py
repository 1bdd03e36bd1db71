"""Streamlines: along the arrows, evenly spaced, near cells, in every branch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import LineCollection
from scipy.spatial import KDTree

import steadyvelo as sv
from steadyvelo.pl._field import field_on_grid
from steadyvelo.pl._streamlines import streamlines

DISTANCE = 1 / 72


def disc(n_cells, rng):
    points = rng.uniform(-1, 1, (n_cells, 2))
    return points[np.linalg.norm(points, axis=1) < 1]


def drawn_lines(ax):
    pieces = [c.get_segments() for c in ax.collections if isinstance(c, LineCollection)]
    return np.concatenate([piece for group in pieces for piece in group])


@settings(max_examples=5, deadline=None)
@given(turn=st.floats(0, 2 * np.pi), density=st.floats(0.4, 1.0), seed=st.integers(0, 100))
def test_lines_follow_the_arrows_and_keep_their_distance(turn, density, seed):
    points = disc(2000, np.random.default_rng(seed))
    around = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    arrows = points @ around.T
    field = field_on_grid(points, arrows)
    distance = DISTANCE * field.side / density
    lines = streamlines(field, distance)
    for line in lines:
        middles, ways = 0.5 * (line[1:] + line[:-1]), np.diff(line, axis=0)
        # where arrows are long enough that the kernel does not turn them
        outer = np.linalg.norm(middles, axis=1) > 0.2
        means = middles @ around.T
        cosine = (ways * means).sum(1) / np.linalg.norm(ways, axis=1)
        cosine /= np.linalg.norm(means, axis=1)
        assert (cosine[outer] > 0.9).all()
    for k, line in enumerate(lines):
        others = np.concatenate([other for j, other in enumerate(lines) if j != k])
        assert KDTree(others).query(line)[0].min() >= 0.599 * distance
    # no room for another line is left among the cells
    inside = points[np.linalg.norm(points, axis=1) < 0.9]
    assert KDTree(np.concatenate(lines)).query(inside)[0].max() < 3 * distance


def test_a_line_that_comes_back_ends_after_one_turn():
    points = disc(4000, np.random.default_rng(0))
    arrows = np.stack([-points[:, 1], points[:, 0]], axis=1)
    for line in streamlines(field_on_grid(points, arrows), 0.1):
        x, y = np.unwrap(np.arctan2(line[:, 1], line[:, 0]))[[0, -1]]
        assert abs(y - x) < 2 * np.pi * 1.1


@pytest.mark.parametrize("n_thin", [25, 60])
def test_a_thin_branch_has_lines_however_dense_the_rest_is(on_a_plane, n_thin):
    rng = np.random.default_rng(0)
    dense = rng.normal(0, 0.1, (20_000, 2))
    thin = np.stack([np.linspace(0.4, 1.4, n_thin), rng.normal(0, 0.004, n_thin)], axis=1)
    points = np.concatenate([dense, thin])
    ax = sv.pl.velocity_stream(on_a_plane(points, np.full(points.shape, [1.0, 0.0])))
    lines = drawn_lines(ax)
    covered = np.histogram(lines[lines[:, 0] > 0.45, 0], bins=18, range=(0.45, 1.35))[0]
    assert (covered > 0).mean() > 0.9
    on_branch = lines[lines[:, 0] > 0.45]
    assert abs(on_branch[:, 1]).max() < 0.03


def test_every_cluster_apart_from_the_others_has_lines(on_a_plane):
    rng = np.random.default_rng(1)
    centres = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]])
    n_cells = [5000, 1000, 200, 60, 30]
    spread = [0.1, 0.1, 0.05, 0.03, 0.015]
    parts = [rng.normal(c, s, (n, 2)) for c, s, n in zip(centres, spread, n_cells, strict=True)]
    points = np.concatenate(parts)
    lines = drawn_lines(sv.pl.velocity_stream(on_a_plane(points, rng.normal(1, 0.1, points.shape))))
    for centre, wide in zip(centres, spread, strict=True):
        assert (np.linalg.norm(lines - centre, axis=1) < 2 * wide).any()


@pytest.mark.parametrize(("n_cells", "smoothing"), [(3000, 0.02), (3000, 0.05), (100_000, 0.02)])
def test_no_line_is_far_from_the_cells(on_a_plane, n_cells, smoothing):
    rng = np.random.default_rng(2)
    angle = rng.uniform(0, 1.5 * np.pi, n_cells)
    radius = rng.normal(1, 0.05, n_cells)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    # a single cell far from all others has no lines
    points = np.concatenate([points, [[0.0, 0.0]]])
    arrows = np.stack([-points[:, 1], points[:, 0]], axis=1)
    lines = drawn_lines(sv.pl.velocity_stream(on_a_plane(points, arrows), smoothing=smoothing))
    side = np.ptp(points, axis=0).max()
    assert KDTree(points).query(lines)[0].max() <= 1.2 * smoothing * side
    assert np.linalg.norm(lines, axis=1).min() > 0.5


def test_min_cells_are_the_cells_that_must_be_together(on_a_plane):
    rng = np.random.default_rng(3)
    points = np.concatenate(
        [rng.normal(0, 0.1, (2000, 2)), 1.5 + np.stack([np.linspace(0, 0.06, 6)] * 2, axis=1)]
    )
    adata = on_a_plane(points, np.ones_like(points))
    for min_cells, there in ((6, True), (7, False)):
        lines = drawn_lines(sv.pl.velocity_stream(adata, min_cells=min_cells))
        assert (np.linalg.norm(lines - 1.5, axis=1) < 0.1).any() == there
    with pytest.raises(ValueError, match="min_cells must be at least 1; it is 0"):
        sv.pl.velocity_stream(adata, min_cells=0)


def test_density_brings_lines_closer(on_a_plane):
    points = np.random.default_rng(4).uniform(size=(5000, 2))
    adata = on_a_plane(points, np.full(points.shape, [1.0, 0.0]))
    extents = []
    for density in (0.5, 1.0):
        heights = drawn_lines(sv.pl.velocity_stream(adata, density=density))[:, 1]
        extents.append(np.median(np.diff(np.unique(heights.round(3)))))
    np.testing.assert_allclose(extents, DISTANCE / np.array([0.5, 1.0]), rtol=0.15)
    for wrong in (0, -1, np.nan):
        with pytest.raises(ValueError, match="density must be positive"):
            sv.pl.velocity_stream(adata, density=wrong)
    with pytest.raises(ValueError, match=r"smoothing=1\.0 must be between 0\.002 and 0\.2"):
        sv.pl.velocity_stream(adata, smoothing=1.0)


def test_longer_arrows_have_thicker_lines(on_a_plane):
    points = np.random.default_rng(5).uniform(size=(5000, 2))
    arrows = np.stack([0.1 + points[:, 0], np.zeros(5000)], axis=1)
    ax = sv.pl.velocity_stream(on_a_plane(points, arrows))
    _, strong = [c for c in ax.collections if isinstance(c, LineCollection)]
    middle = np.array([piece[:, 0].mean() for piece in strong.get_segments()])
    widths = np.array(strong.get_linewidths())
    assert np.corrcoef(middle, widths)[0, 1] > 0.9
    assert (widths.min(), widths.max()) == (0.7, 1.5)


def test_a_field_without_direction_has_no_lines(on_a_plane):
    points = np.random.default_rng(6).uniform(size=(500, 2))
    ax = sv.pl.velocity_stream(on_a_plane(points, np.zeros_like(points)))
    assert not [c for c in ax.collections if isinstance(c, LineCollection)]
    assert len(ax.collections[0].get_offsets()) == 500


def test_the_field_takes_memory_by_cells_and_not_by_places():
    import tracemalloc  # noqa: PLC0415

    points = np.random.default_rng(7).normal(size=(300_000, 2))
    tracemalloc.start()
    field_on_grid(points, points)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # some copies of the coordinates; a table of cells by places would be 100 GB
    assert most < 20 * points.nbytes
