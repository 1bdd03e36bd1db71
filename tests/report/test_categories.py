"""The report of a fit with separate ratios of categories of cells says which ratio is which."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo.report import _genes

OF_ALL, USED_IN = "γ, all cells", "γ, all cells, used in"


@pytest.fixture(scope="module")
def result(_counts):
    """Ratios of three lineages and of a rare one; some cells have none, and a gene is not used."""
    adata = _counts.copy()
    names = adata.obs["branch"].astype(str).to_numpy(dtype=object)
    names[::40], names[5::24] = "rare & few", None
    adata.obs["lineage"] = pd.Categorical(names)
    unspliced = adata.layers["unspliced"].toarray()
    unspliced[:, 7] = 0
    adata.layers["unspliced"] = sp.csr_matrix(unspliced)
    neighbors = sv.Neighbors(n_neighbors=15, n_pcs=10)
    return sv.run(
        adata, gamma_by="lineage", basis="pca", neighbors=neighbors, uncertainty="sandwich"
    )


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    sv.report.write(result, path, n_portraits=2)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(page):
    return " ".join(html.unescape(page).split())


@pytest.fixture(scope="module")
def data(page):
    (found,) = re.findall(r'id="gene-data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def test_the_table_has_every_ratio_and_who_gets_the_common_one(result, data):
    numeric = dict(map(tuple, data["columns"]))
    table = sv.get.category_ratios(result)
    names = list(table["category"].cat.categories)
    assert names == ["branch 1", "branch 2", "rare & few", "trunk"]
    assert "γ" not in numeric
    assert all(numeric[f"γ of {name}"] for name in names)
    assert numeric[OF_ALL]
    assert not numeric[USED_IN]
    rows = {row[0]: dict(zip(numeric, row, strict=True)) for row in data["rows"]}
    for gene, of_gene in table.groupby("gene", observed=True):
        row = rows[gene]
        assert row[OF_ALL] == pytest.approx(result.var.loc[gene, "velocity_gamma"], rel=1e-3)
        for name, gamma in zip(of_gene["category"], of_gene["gamma"], strict=True):
            assert row[f"γ of {name}"] == pytest.approx(gamma, rel=1e-3)
        common = of_gene.loc[of_gene["common"], "category"].astype(str)
        assert row[USED_IN] == ", ".join(common)
    assert any("rare & few" in row[USED_IN] for row in rows.values())
    unused = set(rows) - set(result.var_names)
    assert len(unused) > 0
    for gene in unused:
        values = [rows[gene][f"γ of {name}"] for name in names]
        assert (values, rows[gene][USED_IN]) == ([None] * 4, "")


def test_ratios_are_explained_in_words(text):
    assert "ratio γ of all cells and of each category of lineage" in text
    assert "Cells without a category have the ratio of all cells" in text
    assert "Each line is the steady state of a category of lineage, in the colour of" in text
    assert "Each category of lineage was fitted separately" in text


def test_what_to_do_for_tests_of_directions_is_possible(result, text):
    said = 'Fit with uncertainty="crossfit" without gamma_by and run tl.reliability'
    assert said in text
    assert said in sv.report.headline(result)[0]
    adata = result.copy()
    sv.tl.velocity(adata, mode="stochastic", gamma_by=None)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="pca")
    assert (
        "uncertainty=\"crossfit\" without mode='stochastic' and run"
        in (sv.report.headline(adata)[0])
    )
    sv.tl.velocity(adata, gamma_bounds=(0, 1))
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="pca")
    assert 'uncertainty="crossfit" without bounds and run' in sv.report.headline(adata)[0]


def test_portraits_have_the_colours_of_the_lines(result, tmp_path, monkeypatch):
    draw, seen = sv.pl.phase_portrait, []

    def recording(*args, **kwargs):
        seen.append(kwargs["color"])
        return draw(*args, **kwargs)

    monkeypatch.setattr(sv.pl, "phase_portrait", recording)
    sv.report.write(result, tmp_path / "report.html", groupby="clusters", n_portraits=1)
    assert seen == ["lineage", "lineage"]


def test_one_category_has_its_name_in_the_table(result):
    adata = result.copy()
    adata.obs["lineage"] = "all cells"
    sv.tl.velocity(adata, gamma_by="lineage")
    section = _genes.section(adata, "velocity", 1)
    names = [name for name, _ in section.columns]
    assert {OF_ALL, "γ of all cells", USED_IN} <= set(names)
    assert len(names) == len(set(names))
    assert np.isfinite(section.rows[0][names.index("γ of all cells")])
