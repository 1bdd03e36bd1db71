"""Proportions, edges, genes, heat maps, ranks and verdicts, read back from the axes."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.collections import LineCollection
from matplotlib.legend import Legend
from scipy.stats import norm

import steadyvelo as sv


@pytest.fixture(scope="module")
def _result():
    adata = sv.datasets.simulate(n_cells=400, n_genes=80, rng=0)
    result = sv.run(adata, basis="pca", uncertainty="crossfit", groupby="clusters")
    sv.tl.velocity_pseudotime(result)
    return result


@pytest.fixture
def result(_result):
    return _result.copy()


def widths(ax, label):
    bars = next(c for c in ax.containers if c.get_label() == label)
    return np.array([bar.get_width() for bar in bars])


def test_proportions_are_of_molecules(result):
    ax = sv.pl.proportions(result, "clusters")
    totals = [
        pd.Series(np.asarray(result.layers[name].sum(axis=1)).ravel(), result.obs_names)
        .groupby(result.obs["clusters"], observed=True)
        .sum()
        for name in ("spliced", "unspliced")
    ]
    share = totals[1] / (totals[0] + totals[1])
    names = [t.get_text() for t in ax.get_yticklabels()]
    np.testing.assert_allclose(widths(ax, "unspliced"), share[names])
    np.testing.assert_allclose(widths(ax, "spliced") + widths(ax, "unspliced"), 1)


def test_ambiguous_molecules_have_a_share_and_unknown_groups_none(result):
    result.layers["ambiguous"] = result.layers["unspliced"].copy()
    result.obs["half"] = pd.Categorical(np.where(np.arange(400) < 200, "first", None))
    ax = sv.pl.proportions(result, "half")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["first"]
    np.testing.assert_allclose(widths(ax, "ambiguous"), widths(ax, "unspliced"))
    alone = sv.pl.proportions(result, None)
    assert [t.get_text() for t in alone.get_yticklabels()] == ["all cells"]
    found = sv.pl.proportions(result)
    clusters = list(result.obs["clusters"].cat.categories)
    assert [t.get_text() for t in found.get_yticklabels()] == clusters
    with pytest.raises(KeyError, match=r"groupby='nothing' is not a column of adata\.obs"):
        sv.pl.proportions(result, "nothing")


def test_edges_of_the_chosen_cells(result):
    chosen = ["cell 3", "cell 40"]
    ax = sv.pl.velocity_graph(result, chosen, basis="pca", threshold=0.1)
    lines = next(c for c in ax.collections if isinstance(c, LineCollection))
    graph = sp.csr_matrix(result.obsp["velocity_graph"] + result.obsp["velocity_graph_neg"])
    places = result.obs_names.get_indexer(chosen)
    points = result.obsm["X_pca"][:, :2]
    expected = np.array(
        [
            (*points[i], *points[j], graph[i, j])
            for i in places
            for j in graph[i].indices
            if abs(graph[i, j]) > 0.1
        ]
    )
    segments = np.array(lines.get_segments()).reshape(-1, 4)
    drawn = np.column_stack([segments, lines.get_array()])
    order = [np.lexsort(np.round(table, 3).T) for table in (drawn, expected)]
    np.testing.assert_allclose(drawn[order[0]], expected[order[1]], rtol=1e-5)
    rings = ax.collections[-1]
    np.testing.assert_allclose(rings.get_offsets(), points[places])
    with pytest.raises(KeyError, match=r"no cells of adata: 'nobody'"):
        sv.pl.velocity_graph(result, "nobody", basis="pca")


def test_cells_are_chosen_by_a_seed(result):
    rings = [
        np.asarray(
            sv.pl.velocity_graph(result, basis="pca", rng=seed).collections[-1].get_offsets()
        )
        for seed in (0, 0, 1)
    ]
    assert rings[0].shape == (5, 2)
    np.testing.assert_array_equal(rings[0], rings[1])
    assert (rings[0] != rings[2]).any()


def test_velocity_and_expression_of_a_gene(result):
    genes = ["gene 7", "gene 2"]
    axes = sv.pl.gene_velocity(result, genes, basis="pca", color="clusters")
    assert axes.shape == (2, 3)
    for row, name in zip(axes, genes, strict=True):
        gene = result.var_names.get_loc(name)
        for ax, layer in ((row[1], "velocity"), (row[2], "Ms")):
            points = ax.collections[0]
            values = result.layers[layer][:, gene]
            order = np.argsort(np.abs(values))
            if layer == "velocity":
                expected = result.layers["Mu"][:, gene] - (
                    result.var["velocity_gamma"].iloc[gene] * result.layers["Ms"][:, gene]
                )
                np.testing.assert_allclose(values, expected, atol=1e-4)
                low, high = points.get_clim()
                assert low == -high
            np.testing.assert_allclose(np.sort(points.get_array()), np.sort(values), atol=1e-4)
            np.testing.assert_allclose(
                np.asarray(points.get_offsets())[-1], result.obsm["X_pca"][order[-1], :2], rtol=1e-5
            )
        assert row[0].get_xlabel() == "spliced"
        marks = [child for child in row[0].get_children() if isinstance(child, Legend)]
        assert {"cells of the fit", "steady state"} <= {t.get_text() for t in marks[0].get_texts()}
    with pytest.raises(ValueError, match="ax must have 3 axes for each of 2 genes; it has 1"):
        sv.pl.gene_velocity(result, genes, basis="pca", ax=[plt.gca()])


def test_the_layers_of_drawn_genes_are_checked(result):
    result.layers["Ms"][0, 7] = np.nan
    sv.pl.gene_velocity(result, result.var_names[2], basis="pca")
    with pytest.raises(ValueError, match="layer 'Ms' has NaN, infinite or negative values"):
        sv.pl.gene_velocity(result, result.var_names[7], basis="pca")


def test_a_heat_map_holds_means_along_time(result):
    genes = list(result.var_names[:9])
    ax = sv.pl.heatmap(result, genes, n_bins=20, color="clusters")
    shown = np.asarray(ax.images[0].get_array())
    order = np.argsort(result.obs["velocity_pseudotime"].to_numpy(), kind="stable")
    means = np.array(
        [
            [part.mean() for part in np.split(result[:, gene].layers["Ms"][order, 0], 20)]
            for gene in genes
        ]
    )
    scaled = means - means.min(axis=1, keepdims=True)
    scaled /= scaled.max(axis=1, keepdims=True)
    rows = np.argsort(scaled.argmax(axis=1), kind="stable")
    np.testing.assert_allclose(shown, scaled[rows], atol=1e-5)
    assert [t.get_text() for t in ax.get_yticklabels()] == [genes[row] for row in rows]
    strip = ax.child_axes[0].images[0].get_array()
    colors = sv.pl._colors.cell_colors(result, "clusters")
    first = result.obs["clusters"].iloc[order[:20]].value_counts().index[0]
    np.testing.assert_allclose(strip[0, 0], mpl.colors.to_rgb(colors.categories[first]))
    given = sv.pl.heatmap(result, genes, sort_genes=False)
    assert [t.get_text() for t in given.get_yticklabels()] == genes


def test_cells_without_a_time_are_left_out(result):
    result.obs["velocity_pseudotime"] = np.where(
        np.arange(400) % 2 == 0, result.obs["velocity_pseudotime"], np.nan
    )
    half = sv.pl.heatmap(result, ["gene 1"], n_bins=5)
    expected = sv.pl.heatmap(result[::2].copy(), ["gene 1"], n_bins=5)
    np.testing.assert_allclose(half.images[0].get_array(), expected.images[0].get_array())


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"sortby": "clusters"}, ValueError, "name a column of numbers as sortby="),
        ({"sortby": "nothing"}, KeyError, "sortby='nothing' is not in"),
        ({"color": "true_time"}, ValueError, "name a column of categories as color="),
        ({"n_bins": 0}, ValueError, "n_bins must be at least 1; it is 0"),
        ({"velocity_key": "other"}, KeyError, "other"),
    ],
)
def test_heat_maps_that_cannot_be(result, options, error, match):
    with pytest.raises(error, match=match):
        sv.pl.heatmap(result, ["gene 1"], **options)
    del result.obs["velocity_pseudotime"]
    with pytest.raises(KeyError, match=r"run tl\.velocity_pseudotime first"):
        sv.pl.heatmap(result, ["gene 1"])


def test_ranked_genes_have_their_effects_and_intervals(result):
    sv.tl.rank_velocity_genes(result, "branch")
    axes = sv.pl.rank_genes(result, n_genes=6, level=0.9)
    table = sv.get.ranked_genes(result)
    assert [ax.get_title() for ax in axes] == list(table["group"].unique())
    rows = table[(table["group"] == "trunk") & table["ranked"]]
    rows = rows.reindex(rows["statistic"].abs().nlargest(6).index)
    rows = rows.sort_values("statistic", ascending=False)
    ax = axes[-1]
    assert [t.get_text() for t in ax.get_yticklabels()] == list(rows["gene"])
    points = next(c for c in ax.collections if isinstance(c, mpl.collections.PathCollection))
    np.testing.assert_allclose(np.asarray(points.get_offsets())[:, 0], rows["effect"])
    bars = next(c for c in ax.collections if isinstance(c, LineCollection))
    reach = norm.ppf(0.95) * rows["se"].to_numpy()
    ends = np.array(bars.get_segments())[:, :, 0]
    np.testing.assert_allclose(ends[:, 1] - ends[:, 0], 2 * reach)
    alone = sv.pl.rank_genes(result, "trunk", n_genes=6, ax=plt.figure().gca())
    assert [t.get_text() for t in alone.get_yticklabels()] == list(rows["gene"])
    with pytest.raises(ValueError, match="ax is for one group"):
        sv.pl.rank_genes(result, ax=plt.gca())
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        sv.pl.rank_genes(result, level=95)
    with pytest.raises(KeyError, match="groups 'nobody' are not in"):
        sv.pl.rank_genes(result, ["nobody"])


def test_verdicts_are_written_at_their_clusters(result):
    ax = sv.pl.reliability(result)
    table = result.uns["velocity_reliability"]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], table["determined"])
    assert [t.get_text() for t in ax.texts] == list(table["verdict"])
    names = [t.get_text().split(" (")[0] for t in ax.get_yticklabels()]
    assert names == list(table.index)
    del result.uns["velocity_reliability"]
    with pytest.raises(KeyError, match=r"run tl\.reliability"):
        sv.pl.reliability(result)


def test_verdicts_without_controls_have_no_line(result):
    result = result.copy()
    table = result.uns["velocity_reliability"].drop(columns="control_determined")
    result.uns["velocity_reliability"] = table
    ax = sv.pl.reliability(result)
    assert ax.get_legend() is None
    assert len(ax.patches) == len(table)
