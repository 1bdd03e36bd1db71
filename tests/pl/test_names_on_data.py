"""Names of clusters on their cells: all can be read, or they are in the margin."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import steadyvelo as sv
from steadyvelo.pl._names_on_data import moved_apart

DRAWN = (sv.pl.velocity_stream, sv.pl.velocity_grid, sv.pl.velocity_arrows)


def overlap(one, other):
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


@pytest.mark.parametrize("draw", DRAWN)
def test_names_do_not_overlap_and_lie_inside(on_a_plane, draw):
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.uniform(0, 1, (12, 2)), 40, axis=0)
    # three pairs of clusters in the same place
    centres[240:360] = centres[:120]
    points = centres + rng.normal(0, 0.03, centres.shape)
    clusters = np.repeat([f"a longer name {k}" for k in range(12)], 40)
    ax = draw(on_a_plane(points, rng.normal(size=points.shape), clusters))
    ax.figure.canvas.draw()
    assert {text.get_text() for text in ax.texts} == set(clusters)
    assert ax.get_legend() is None
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(overlap(*pair) for pair in combinations(boxes, 2))
    inside = ax.get_window_extent()
    for box in boxes:
        assert box.x0 >= inside.x0 - 1
        assert box.x1 <= inside.x1 + 1
        assert box.y0 >= inside.y0 - 1
        assert box.y1 <= inside.y1 + 1
    assert all(text.get_path_effects() for text in ax.texts)


def test_names_are_in_the_margin_where_they_do_not_fit(on_a_plane):
    points = np.random.default_rng(0).normal(size=(500, 2))
    many = [f"cluster {k % 26}" for k in range(500)]
    ax = sv.pl.velocity_stream(on_a_plane(points, points, many))
    assert not ax.texts
    assert {text.get_text() for text in ax.get_legend().get_texts()} == set(many)
    # few enough, but all in one place
    crowded = [f"a name of many letters {k % 25}" for k in range(500)]
    ax = sv.pl.velocity_stream(on_a_plane(points, points, crowded))
    assert not ax.texts
    assert len(ax.get_legend().get_texts()) == 25
    # unless it is asked for
    ax = sv.pl.velocity_stream(on_a_plane(points, points, many), legend_loc="on data")
    assert len(ax.texts) == 26
    assert ax.get_legend() is None
    assert not sv.pl.velocity_stream(on_a_plane(points, points, many), legend_loc=None).texts


def test_long_names_have_several_lines_and_missing_clusters_none(on_a_plane):
    points = np.random.default_rng(0).normal(size=(100, 2))
    adata = on_a_plane(points, points, ["neural progenitors in the ventral midbrain"] * 100)
    adata.obs["clusters"] = adata.obs["clusters"].cat.add_categories("nobody")
    (text,) = sv.pl.velocity_stream(adata).texts
    assert text.get_text() == "neural progenitors\nin the ventral\nmidbrain"


def test_the_name_of_a_bent_cluster_lies_on_its_cells(on_a_plane):
    angle = np.linspace(0, 1.5 * np.pi, 300)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    (text,) = sv.pl.velocity_stream(on_a_plane(points, points, ["ring"] * 300)).texts
    assert np.linalg.norm(points - text.get_position(), axis=1).min() < 1e-6


@settings(max_examples=50, deadline=None)
@given(
    places=hnp.arrays(np.float64, (6, 2), elements=st.floats(0, 400)),
    sizes=hnp.arrays(np.float64, (6, 2), elements=st.floats(5, 40)),
)
def test_boxes_move_as_little_as_need_be(places, sizes):
    low, high = np.zeros(2), np.full(2, 400.0)
    found = moved_apart(places, sizes, low, high)
    assert (found - sizes / 2 >= low - 1e-9).all()
    assert (found + sizes / 2 <= high + 1e-9).all()
    away = abs(found[:, None] - found[None]) - (sizes[:, None] + sizes[None]) / 2
    assert not np.triu((away < -1e-6).all(axis=2), k=1).any()
    # a box that had room stays
    clipped = np.clip(places, sizes / 2, 400 - sizes / 2)
    far = abs(clipped[:, None] - clipped[None]).max(axis=2) + 1000 * np.eye(6)
    if far.min() > 40:
        np.testing.assert_allclose(found, clipped)
