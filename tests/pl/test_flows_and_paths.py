"""Flows between clusters and random paths, read back from the axes."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.legend import Legend
from matplotlib.patches import FancyArrowPatch

import steadyvelo as sv
from steadyvelo.pl._names_on_data import middle
from steadyvelo.pl._style import STRONG


@pytest.fixture(scope="module")
def _result():
    adata = sv.datasets.simulate(n_cells=500, n_genes=80, depth=2, rng=0)
    result = sv.run(adata, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    sv.tl.cluster_graph(result, "clusters", n_controls=2)
    sv.tl.paths(result, "root", groupby="clusters", n_paths=5, n_steps=30)
    return result


@pytest.fixture
def result(_result):
    return _result.copy()


def drawn_arrows(ax):
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def test_an_arrow_for_each_pair_in_the_direction_of_its_net_flow(result):
    ax = sv.pl.cluster_graph(result)
    table = sv.get.cluster_graph(result)
    rows = table[table["net"] > 0].sort_values(["p", "net"], ascending=[True, False])
    points, clusters = result.obsm["X_pca"][:, :2], result.obs["clusters"].to_numpy()
    centre = {name: middle(points[clusters == name]) for name in np.unique(clusters)}
    arrows = drawn_arrows(ax)
    assert len(arrows) == len(rows)
    dark = mpl.colors.to_rgba(STRONG)
    # the strongest is drawn last
    for arrow, row in zip(arrows[::-1], rows.itertuples(), strict=True):
        start, end = arrow._posA_posB
        np.testing.assert_allclose([start, end], [centre[row.source], centre[row.target]])
        sure = row.verdict == "supported"
        assert (arrow.get_edgecolor() == dark) == sure
        width = 1 + 5 * min(row.net, 1) if sure else 0.8
        assert arrow.get_linewidth() == pytest.approx(width)
    assert (rows["verdict"] == "supported").any()
    assert (rows["verdict"] != "supported").any()
    legends = [x for x in ax.get_children() if isinstance(x, Legend)]
    texts = [text.get_text() for legend in legends for text in legend.get_texts()]
    assert texts == ["supported net flow", "not supported"]
    # the clusters of the flows have names and colours
    assert {text.get_text() for text in ax.texts} == set(clusters)


def test_small_flows_are_left_out_on_request(result):
    table = sv.get.cluster_graph(result)
    larger = (table["net"] > 0.2).sum()
    assert 0 < larger < len(table) // 2
    assert len(drawn_arrows(sv.pl.cluster_graph(result, threshold=0.2))) == larger


def test_a_part_of_the_cells_has_arrows_between_its_clusters(result):
    part = result[result.obs["clusters"] != "root"].copy()
    table = sv.get.cluster_graph(part)
    inside = (table["net"] > 0) & (table["source"] != "root") & (table["target"] != "root")
    assert len(drawn_arrows(sv.pl.cluster_graph(part))) == inside.sum()
    without = result.copy()
    del without.obs["clusters"]
    assert len(drawn_arrows(sv.pl.cluster_graph(without))) == len(table) // 2


def test_flows_need_an_embedding_and_no_arrows_on_it(result):
    result.obsm["X_map"] = np.random.default_rng(0).normal(size=(500, 2))
    assert len(drawn_arrows(sv.pl.cluster_graph(result, basis="map", color=None))) > 0
    with pytest.raises(KeyError, match=r"'umap' is not in adata\.obsm"):
        sv.pl.cluster_graph(result, basis="umap")
    with pytest.raises(ValueError, match=r"components=\(0, 2\) must be smaller than 2"):
        sv.pl.cluster_graph(result, basis="map", components=(0, 2))
    del result.uns["velocity_cluster_graph"], result.uns["velocity_params"]["cluster_graph"]
    with pytest.raises(KeyError, match=r"run tl\.cluster_graph"):
        sv.pl.cluster_graph(result)


def test_paths_are_lines_between_their_cells(result):
    ax = sv.pl.paths(result)
    table = sv.get.paths(result).to_numpy()
    points = result.obsm["X_pca"][:, :2]
    places = result.obs_names.get_indexer(table.ravel()).reshape(table.shape)
    lines = next(c for c in ax.collections if isinstance(c, LineCollection))
    moved = places[:, :-1] != places[:, 1:]
    expected = np.stack([points[places[:, :-1][moved]], points[places[:, 1:][moved]]], axis=1)
    np.testing.assert_allclose(np.array(lines.get_segments()), expected)
    np.testing.assert_array_equal(lines.get_array(), np.nonzero(moved)[1] + 1)
    assert lines.get_clim() == (0, 30)
    first, last = ax.collections[-2:]
    np.testing.assert_allclose(first.get_offsets(), points[places[:, 0]])
    np.testing.assert_allclose(last.get_offsets(), points[places[:, -1]])
    assert len(first.get_facecolors()) == 0
    assert ax.figure.axes[1].get_ylabel() == "step"


def test_steps_of_cells_that_are_missing_are_left_out(result):
    table = sv.get.paths(result).to_numpy()
    gone = table[0, 10]
    part = result[result.obs_names != gone].copy()
    lines = next(c for c in sv.pl.paths(part).collections if isinstance(c, LineCollection))
    kept = (table[:, :-1] != gone) & (table[:, 1:] != gone) & (table[:, :-1] != table[:, 1:])
    assert len(lines.get_segments()) == kept.sum()
    none = result[~result.obs_names.isin(table.ravel())].copy()
    with pytest.raises(ValueError, match="adata has no cell of the stored paths"):
        sv.pl.paths(none)
    del result.uns["velocity_paths"], result.uns["velocity_params"]["paths"]
    with pytest.raises(KeyError, match=r"run tl\.paths\(adata, start\) first"):
        sv.pl.paths(result)
