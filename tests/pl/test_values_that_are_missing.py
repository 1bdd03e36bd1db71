"""Cells without a value are grey and named; columns that group no cells are refused."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import steadyvelo as sv


@pytest.fixture(scope="module")
def _result():
    adata = sv.datasets.simulate(n_cells=200, n_genes=50, depth=2, rng=0)
    return sv.run(adata, basis="pca", uncertainty=None, min_shared_counts=5)


@pytest.fixture
def result(_result):
    yield _result.copy()
    plt.close("all")


def words(ax):
    """Texts of legends and colour bars."""
    legends = [a.get_legend() for a in ax.figure.axes if a.get_legend()]
    texts = [text for legend in legends for text in legend.get_texts()]
    found = [text.get_text() for text in [*texts, *ax.figure.texts]]
    found += [text.get_text() for legend in ax.figure.legends for text in legend.get_texts()]
    return [*found, *(a.get_ylabel() for a in ax.figure.axes)]


def drawn(ax):
    return sum(len(c.get_offsets()) for c in ax.collections[:1])


COLUMNS = {
    "some categories": lambda n: pd.Categorical(["a" if i % 2 else None for i in range(n)]),
    "no category": lambda n: pd.Categorical([None] * n, categories=["a"]),
    "some numbers": lambda n: np.where(np.arange(n) % 2, np.nan, np.arange(n) / 7),
    "no number": lambda n: np.full(n, np.nan),
    "infinite": lambda n: np.where(np.arange(n) % 9 == 0, np.inf, np.arange(n) / 7),
}
PICTURES = {
    "stream": lambda adata: sv.pl.velocity_stream(adata, basis="pca", color="column"),
    "portrait": lambda adata: sv.pl.phase_portrait(adata, adata.var_names[0], color="column"),
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("picture", PICTURES)
def test_cells_without_a_value_are_drawn_and_named(result, picture, column):
    result.obs["column"] = COLUMNS[column](result.n_obs)
    ax = PICTURES[picture](result)
    assert drawn(ax) == result.n_obs
    assert any("no value" in word for word in words(ax)), words(ax)


def test_only_categories_that_are_there_are_in_the_legend(result):
    there = result.obs["branch"].astype(str)
    result.obs["column"] = pd.Categorical(there, categories=["Zzz", *there.unique(), "Qqq"])
    result.uns["column_colors"] = ["red", *["blue", "green", "black"][: there.nunique()], "pink"]
    ax = sv.pl.velocity_stream(result, basis="pca", color="column", legend_loc="right margin")
    assert set(words(ax)) & {"Zzz", "Qqq", "no value"} == set()
    assert set(there) <= set(words(ax))
    shown = {tuple(np.round(c, 3)) for c in ax.collections[0].get_facecolors()}
    assert len(shown) == there.nunique()
    axes = sv.pl.proportions(result, "column")
    assert [t.get_text() for t in axes.get_yticklabels()][:1] != ["Zzz"]


CALLS = {
    "rank": sv.tl.rank_velocity_genes,
    "samples": lambda adata, c: sv.tl.rank_velocity_genes(adata, "branch", sample_key=c),
    "compare": sv.tl.compare_ratios,
    "qc": lambda adata, c: sv.pp.qc(adata, groupby=c),
    "proportions": sv.pl.proportions,
    "velocity": lambda adata, c: sv.tl.velocity(adata, groupby=c, groups=["0.1"], key_added="z"),
    "run": lambda adata, c: sv.run(adata, groupby=c, basis="pca"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_column_that_groups_no_cells_is_refused(result, call):
    result.obs["score"] = np.random.default_rng(0).normal(size=result.n_obs)
    result.obs["name"] = [f"x{i}" for i in range(result.n_obs)]
    for column, what in (("score", "numbers that vary continuously"), ("name", "nearly a value")):
        with pytest.raises(ValueError, match=rf"='{column}' does not group the cells.*{what}"):
            CALLS[call](result, column)
