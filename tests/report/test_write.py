"""Contents of the report: verdicts first, data as text, nothing loaded from elsewhere."""

from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo.get._control_agreement import chance_agreement
from steadyvelo.report import _clusters, _flows, _genes, _methods, _text, _verdicts
from steadyvelo.report._verdicts import Judged
from steadyvelo.tl._fidelity import ABOVE_CHANCE

from .conftest import EVIL_CLUSTER, EVIL_GENE

pytestmark = pytest.mark.filterwarnings("default::steadyvelo.SteadyveloWarning")


class Page(HTMLParser):
    """Elements with their attributes, and the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements, self.text, self.scripts, self._inside = [], "", [], None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, _tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += " " + data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html(judged_once, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    sv.report.write(judged_once, path, basis="pca", title="A <title> & more", n_portraits=2)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_verdicts_come_first_and_in_plain_words(page, judged_once):
    table = judged_once.uns["velocity_reliability"]
    for name, row in table.iterrows():
        assert f"{name} " in page.text
        assert row["reason"] in page.text
    supported = list(table.index[table["verdict"] == "supported"])
    n = f"{len(supported)} of {len(table)}" if len(supported) < len(table) else f"all {len(table)}"
    assert f"support the direction of {n} clusters: " in page.text
    headings = [page.text.index(title) for title in ("What the data support", "The velocity field")]
    assert headings == sorted(headings)
    assert any(said in page.text for said in ("pass all", "needs attention", "need attention"))


def test_what_comes_from_the_data_is_text(page, html):
    # the page's own two, one of them data
    assert len(page.scripts) == 2
    assert "alert(" not in page.scripts[1]
    assert not [image for image in page.all("img") if image["src"] == "x"]
    assert EVIL_CLUSTER in page.text
    data = json.loads(page.scripts[0])
    assert EVIL_GENE in [row[0] for row in data["rows"]]
    assert EVIL_GENE not in html
    assert "A <title> & more" in page.text


def test_nothing_is_asked_for_from_afar(page, html):
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(name, "")
            assert value.startswith(("data:", "#")) or not value, (tag, name, value[:80])
    assert "url(" not in html
    assert "@import" not in html
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_pictures_have_words_and_sections_have_headings(page):
    images = page.all("img")
    assert len(images) == 5
    for image in images:
        assert len(image["alt"]) > 40
        assert int(image["width"]) > 300
    labelled = {section["aria-labelledby"] for section in page.all("section")}
    headings = {heading.get("id") for heading in page.all("h2")}
    assert labelled == headings
    assert page.all("html") == [{"lang": "en"}]
    targets = {link["href"].removeprefix("#") for link in page.all("a")}
    assert targets <= {attributes.get("id") for _, attributes in page.elements}


def test_every_gene_of_the_input_is_in_the_table(page, judged_once):
    data = json.loads(page.scripts[0])
    names = [name for name, _ in data["columns"]]
    rows = {row[0]: dict(zip(names, row, strict=True)) for row in data["rows"]}
    everything = judged_once.uns["velocity_all_genes"]
    assert rows.keys() == set(everything.index)
    for gene in everything.index[~everything["genes_used"]]:
        assert rows[gene]["status"] == "not used"
        assert rows[gene]["reason"] == str(everything.loc[gene, "genes_reason"])
        assert rows[gene]["γ"] is None
    for gene in judged_once.var_names:
        gamma = judged_once.var.loc[gene, "velocity_gamma"]
        assert rows[gene]["γ"] == pytest.approx(gamma, rel=1e-3)
        is_velocity_gene = rows[gene]["status"] == "velocity gene"
        assert is_velocity_gene == judged_once.var.loc[gene, "velocity_genes"]


def test_the_result_is_left_as_it_is(judged, tmp_path):
    def state():
        slots = ("obs", "var", "obsm", "varm", "obsp", "uns", "layers")
        keys = {slot: sorted(map(str, getattr(judged, slot).keys())) for slot in slots}
        return keys, json.dumps(judged.uns["velocity_params"], default=str)

    before = state()
    sv.report.write(judged, tmp_path / "report.html", basis="pca", n_portraits=1)
    assert state() == before


def test_without_tests_the_page_says_so_first(fitted, tmp_path):
    path = sv.report.write(fitted, tmp_path / "report.html", basis="pca", n_portraits=1)
    page = Page(path.read_text(encoding="utf-8"))
    assert "it is not known which arrows can be trusted" in page.text
    assert "run pp.qc" in page.text
    assert "supported" not in page.text.split("The velocity field")[0]


def test_without_clusters_there_is_a_page(fitted, tmp_path):
    del fitted.obs["clusters"]
    path = sv.report.write(fitted, tmp_path / "report.html", basis="pca", n_portraits=1)
    page = Page(path.read_text(encoding="utf-8"))
    assert "clusters-title" not in {heading.get("id") for heading in page.all("h2")}


def test_transitions_between_clusters_are_means_of_rows(fitted):
    sv.tl.velocity_confidence(fitted)
    found = _clusters.section(fitted, "clusters", "velocity", "pca", None)
    sv.tl.transition_matrix(fitted)
    steps = fitted.obsp["velocity_transitions"].toarray()
    labels = fitted.obs["clusters"].astype(str).to_numpy()
    for name, row in zip(found.names, found.transitions, strict=True):
        for other, (_, share) in zip(found.names, row, strict=True):
            mean = steps[labels == name][:, labels == other].sum(axis=1).mean()
            assert share == pytest.approx(100 * mean, abs=0.51)


def test_fidelity_of_clusters_is_a_mean_over_their_cells(judged, tmp_path):
    sv.tl.velocity_confidence(judged)
    found = _clusters.section(judged, "clusters", "velocity", "pca", None)
    values, z = (judged.obs[f"velocity_pca_{name}"] for name in ("fidelity", "fidelity_z"))
    for name, *_, mean, above in found.rows:
        inside = judged.obs["clusters"].astype(str) == name
        assert mean == _text.number(values[inside].mean(), 2)
        assert above == _text.percent((z[inside] > ABOVE_CHANCE).mean())
    # it is computed from the arrows, also for results of versions without it
    judged.obs = judged.obs.drop(columns=[values.name, z.name])
    path = sv.report.write(judged, tmp_path / "r.html", basis="pca", n_portraits=1)
    page = path.read_text(encoding="utf-8")
    assert "Fidelity says how well the arrows of the picture show the velocity graph" in page
    assert all(f"<td>{row[5]}</td><td>{row[6]}</td>" in page for row in found.rows)


def test_arrows_that_are_a_projection_have_a_page(judged, tmp_path):
    sv.tl.velocity_embedding(judged, basis="pca", method="projection")
    path = sv.report.write(judged, tmp_path / "r.html", basis="pca", n_portraits=1)
    text = Page(path.read_text(encoding="utf-8")).text
    assert "They were projected on principal components" in text
    assert "exponential kernel" not in text
    assert "sign-flipped controls" in text


def test_a_graph_of_a_programme_has_no_page(judged, tmp_path):
    sv.tl.velocity_graph(judged, genes=list(judged.var_names[:40]))
    sv.tl.velocity_embedding(judged, basis="pca")
    with pytest.raises(ValueError, match=r"gene programme \(\d+ genes\), .* without genes="):
        sv.report.write(judged, tmp_path / "r.html", basis="pca")
    assert not list(tmp_path.iterdir())


def test_best_and_worst_genes_are_counted_well(judged):
    found = _genes.section(judged, "velocity", 3)
    var = judged.var
    middle = var["shared_counts"].median()
    assert (var.loc[[*found.best, *found.worst], "shared_counts"] >= middle).all()
    well = var.loc[var["shared_counts"] >= middle, "velocity_r2"]
    assert var.loc[found.best[0], "velocity_r2"] == well.max()
    assert var.loc[found.worst[0], "velocity_r2"] == well.min()


def methods(adata, basis="pca"):
    return _methods.section(
        Fit.read(adata, "velocity"), basis, Judged.read(adata, "velocity", basis)
    )


def test_methods_of_a_run(judged):
    found = methods(judged)
    text = found.text
    assert f"{judged.n_vars} of 70 genes (at least 20 molecules, spliced and unspliced" in text
    assert "each cell, its 14 nearest neighbours in 10 principal components" in text
    assert "through the origin from cells above the 95th percentile of s / max(s)" in text
    assert "over one repeat, a random division of genes and cells into two folds (seed 0)" in text
    assert "The 95% intervals of γ were computed by Fieller's method" in text
    assert f"of the {judged.var['velocity_genes'].sum()} genes with R² > 0.01" in text
    assert "(exponential kernel, λ = 10)" in text
    assert "at the level of 5% by Hotelling's test" in text
    assert "compared with 50 sign-flipped controls (seed 0)" in text
    assert "clusters (clusters) have a supported direction on pca: significant for the" in text
    assert "a tenth of its cells, and similar with other size factors" in text
    assert [entry.split(" ", 1)[0] for entry in found.references] == [
        *["Bergen", "Fieller", "Holm", "La", "Virshup"],
    ]


FITS = {
    "offset": ({"offset": True}, ["with an offset (o) from", "u − γs − o"], ["cross-fitt"]),
    "rule": ({"weights": "maxmin_diag"}, ["velocyto's rule “maxmin_diag”"], ["percentile"]),
    "all": (
        {"weights": "all", "uncertainty": sv.CrossFit(n_repeats=2)},
        ["from all cells", "over 2 repeats, each a random division of genes and cells"],
        ["extreme cells", "percentile"],
    ),
    "sandwich": (
        {"uncertainty": sv.Sandwich(level=0.9)},
        ["Standard errors (sandwich) account for", "90% intervals of γ were computed by"],
        ["random division"],
    ),
    "batches": (
        {"uncertainty": "sandwich", "sample_key": "batch"},
        ["± t standard errors, with batch as the unit of replication (CR3)."],
        ["Fieller"],
    ),
    "groups": ({"groups": ["root", "fork"], "groupby": "clusters"}, ["of the groups"], []),
    "quantiles": (
        {"weights": sv.Extremes(0.02, 0.91)},
        ["cells below the 2nd and above the 91st percentile of"],
        [],
    ),
    "stochastic": (
        {"mode": "stochastic"},
        [
            "⟨u⟩ over neighbours) together, each divided by the standard deviation of its",
            "residuals, through the origin (stochastic mode of Bergen et al. 2020)",
            "Velocities v = u − γs of",
            "γ > 0.01 in the first fit were used",
        ],
        ["divided once more", "Standard errors"],
    ),
    "exact moments with offsets": (
        {"mode": sv.Stochastic(moments="exact", fit_offset=True, fit_offset2=True)},
        [
            "with linear terms divided once more by the size factor of each cell) together",
            "residuals, with an offset of both moments (stochastic",
            "Velocities v = u − γs − o of",
        ],
        [],
    ),
    "second offset": (
        {"mode": sv.Stochastic(fit_offset2=True), "uncertainty": "sandwich"},
        ["with an offset of second moments", "Standard errors (sandwich)", "v = u − γs of"],
        [],
    ),
    "r2": ({"r2": "all_cells"}, ["with R² of an unweighted fit > 0.01"], []),
}


@pytest.mark.parametrize("name", FITS)
def test_methods_of_other_fits(prepared, name):
    options, said, unsaid = FITS[name]
    prepared.obs["batch"] = np.arange(prepared.n_obs) % 4
    sv.tl.velocity(prepared, **options)
    text = methods(prepared).text
    for part in said:
        assert part in text
    for part in unsaid:
        assert part not in text


def test_methods_of_another_graph_and_other_arrows(prepared):
    prepared.obsm["X_other"] = np.random.default_rng(0).normal(size=(prepared.n_obs, 5))
    sv.pp.neighbors(prepared, n_neighbors=12, use_rep="X_other", key_added="other")
    sv.tl.velocity(prepared, uncertainty=sv.CrossFit(n_repeats=1), neighbors_key="other")
    sv.tl.velocity_graph(prepared, sqrt_transform=True, n_recurse_neighbors=1)
    sv.tl.velocity_embedding(prepared, basis="pca", scale=5, self_transitions=False)
    text = methods(prepared).text
    assert "its 11 nearest neighbours in X_other" in text
    assert (
        "came from other cells. It was averaged over one repeat, a random division of cells" in text
    )
    assert "in expression to its neighbours, both as square roots" in text
    assert "(exponential kernel, λ = 5 without self-transitions)" in text


def test_methods_of_other_searches_and_criteria(counts):
    counts.obs["batch"] = np.arange(240) % 2
    search = {"metric": "cosine", "within": "batch"}
    molecules = counts.layers["unspliced"].toarray().sum(axis=0)
    result = sv.run(
        counts,
        basis="pca",
        uncertainty=None,
        min_unspliced_counts=int(np.quantile(molecules, 0.1)) + 1,
        neighbors=sv.Neighbors(n_neighbors=12, n_pcs=8, **search),
    )
    text = methods(result).text
    assert "in 8 principal components by the cosine distance among the cells with the same" in text
    assert "value of batch and the cells that have it as a neighbour" in text
    least = result.uns["velocity_run"]["min_unspliced_counts"]
    assert f"in cells that contain both, {least} unspliced molecules)" in text


def test_methods_count_the_cells_that_are_used(prepared):
    prepared.obs.loc[prepared.obs_names[:40], "cells_used"] = False
    sv.tl.velocity(prepared)
    assert f"counts of 200 of {prepared.n_obs} cells" in methods(prepared).text


def test_verdicts_about_another_embedding_are_not_shown(judged):
    judged.obsm["X_plane"] = judged.obsm["X_pca"][:, [1, 0]].copy()
    sv.tl.velocity_embedding(judged, basis="plane")
    assert "Directions were not tested" in sv.report.headline(judged, basis="plane")[0]
    sv.tl.direction(judged, basis="plane", n_controls=2)
    assert "Clusters were not tested" in sv.report.headline(judged, basis="X_plane")[0]
    assert "6 clusters" in sv.report.headline(judged, basis="pca")[0]
    with pytest.raises(KeyError, match="umap"):
        sv.report.headline(judged, basis="umap")


def test_new_directions_drop_old_verdicts(judged):
    sv.tl.direction(judged, basis="pca", n_controls=0, level=0.8)
    assert "velocity_reliability" not in judged.uns
    assert "Clusters were not tested" in sv.report.headline(judged, basis="pca")[0]
    assert "at the level of 20% by" in methods(judged).text


def test_clusters_that_were_judged_are_named(judged, tmp_path):
    judged.obs["half"] = np.where(np.arange(judged.n_obs) % 2, "A", "B")
    sv.tl.reliability(judged, "half", basis="pca", n_controls=0, sensitivity=False)
    path = sv.report.write(judged, tmp_path / "r.html", basis="pca", n_portraits=1)
    page = Page(path.read_text(encoding="utf-8"))
    assert re.search(r"(2|both) clusters \(half\)", page.text)
    assert "Direction of each cluster (half) on pca" in page.text
    assert "sign-flipped controls." not in page.text
    assert "similar with other size factors" not in page.text


def test_other_choices_are_columns_and_clusters_rows(judged, tmp_path):
    variants = Judged.read(judged, "velocity", "pca").sensitivity
    text = sv.report.write(judged, tmp_path / "r.html", basis="pca", n_portraits=1).read_text(
        encoding="utf-8"
    )
    table = text[text.index("Sensitivity to settings: median") :]
    head, body = table[: table.index("</table>")].split("<tbody>")
    for choice in variants.index:
        assert f'<th scope="col">{choice}</th>' in head
    for cluster in variants.columns:
        assert f'<th scope="row">{escape(cluster)}</th>' in body
    assert body.count("<tr>") == len(variants.columns)


def test_the_control_is_made_as_the_arrows(judged, tmp_path, monkeypatch):
    sv.tl.velocity_embedding(judged, basis="pca", scale=3, self_transitions=False)
    asked = []
    real = sv.tl.randomized_velocity
    monkeypatch.setattr(
        sv.tl, "randomized_velocity", lambda *a, **k: asked.append(k) or real(*a, **k)
    )
    sv.tl.randomized_velocity(judged, basis="pca")
    sv.report.write(judged, tmp_path / "r.html", basis="pca", n_portraits=1)
    assert asked[1]["scale"] == 3
    assert asked[1]["self_transitions"] is False
    real(judged, basis="pca", scale=3, self_transitions=False)
    path = sv.report.write(judged, tmp_path / "r.html", basis="pca", n_portraits=1)
    assert len(asked) == 2
    text = Page(path.read_text(encoding="utf-8")).text
    assert chance_agreement(sv.get.control_agreement(judged, basis="pca")) in text
    assert "Streamlines of the data and of 4 sign-flipped controls" in text
    # the controls of the tests have other signs
    sv.tl.direction(judged, basis="pca", n_controls=2, rng=9)
    sv.report.write(judged, tmp_path / "r.html", basis="pca", n_portraits=1)
    assert (len(asked), asked[2]["rng"]) == (3, 9)


def test_layers_that_another_tool_smoothed_have_no_control(prepared, tmp_path):
    sv.pp.moments(prepared)
    del prepared.uns["moments_params"]
    del prepared.layers["spliced"], prepared.layers["unspliced"]
    sv.tl.velocity(prepared)
    sv.tl.velocity_graph(prepared)
    sv.tl.velocity_embedding(prepared, basis="pca")
    path = sv.report.write(prepared, tmp_path / "r.html", basis="pca", n_portraits=1)
    page = Page(path.read_text(encoding="utf-8"))
    assert "No control is shown" in page.text
    assert "Smoothed spliced (s) and unspliced (u) abundances" in page.text
    assert "divided by" not in page.text


def test_another_fit_drops_what_the_run_said(judged):
    judged.uns["velocity_run"]["command"] = "steadyvelo run"
    sv.tl.velocity(judged, offset=True)
    assert set(judged.uns["velocity_run"]) == {"min_shared_counts"}
    assert "velocity_genes" not in judged.uns["velocity_all_genes"]
    assert "genes_reason" in judged.uns["velocity_all_genes"]


def test_a_part_of_the_genes_is_refused(judged, tmp_path):
    with pytest.raises(ValueError, match="that the velocity graph was made from"):
        sv.report.write(judged[:, :30].copy(), tmp_path / "r.html", basis="pca")


def test_names_are_no_formulas(fitted, tmp_path):
    fitted.obs["clusters"] = fitted.obs["clusters"].cat.rename_categories({"fork": r"$\bad$"})
    names = list(fitted.var_names)
    fitted.var_names = [r"$\bad$ " + name for name in names]
    path = sv.report.write(fitted, tmp_path / "r.html", basis="pca", n_portraits=2)
    assert r"$\bad$" in path.read_text(encoding="utf-8")


def test_headlines():
    def cluster(name, verdict):
        return _verdicts.Verdict(name, verdict, "", "")

    def said(**verdicts):
        return _verdicts._of_clusters([cluster(*pair) for pair in verdicts.items()], "type")

    assert said(A="supported", B="weak") == (
        "The data support the direction of 1 of 2 clusters (type): A. Evidence is weak for B: a "
        "common direction was detected, but a further check fails. Do not interpret the arrows of "
        "the other cluster, however clear they look."
    )
    assert said(A="supported", B="weak", C="not supported").endswith(
        "No common direction was detected within C. Do not interpret the arrows of the other "
        "clusters, however clear they look."
    )
    assert said(A="not supported", B="not supported") == (
        "The data do not support the direction of any of the 2 clusters (type). No common "
        "direction was detected within A and B. Do not interpret the arrows, however clear they "
        "look."
    )
    assert said(A="supported", B="supported") == (
        "The data support the direction of both clusters (type): A and B."
    )
    assert said(A="supported", B="supported", C="supported") == (
        "The data support the direction of all 3 clusters (type): A, B and C."
    )
    assert said(A="supported") == "The data support the direction of the only cluster (type), A."
    assert said(A="not supported") == (
        "The data do not support the direction of the only cluster (type), A. No common direction "
        "was detected within A. Do not interpret the arrows, however clear they look."
    )


def test_borderline_clusters_are_named():
    row = pd.Series({"verdict": "supported", "reason": "", "borderline": True})
    chance, other = (_verdicts.Verdict.of(name, row) for name in "AB")
    sure = _verdicts.Verdict.of("C", row.drop("borderline"))
    assert (chance.label, sure.label) == ("supported, borderline", "supported")
    said = _verdicts._of_clusters([chance, other, sure], "type")
    assert said.endswith(
        "A, B and C. Another run may give another verdict on A and B (borderline)."
    )


def test_checks_that_need_attention_are_named_and_one_alone_says_why():
    def check(name, verdict):
        return _verdicts.Verdict(name, verdict, "", f"{name} is odd")

    said = [
        _verdicts._of_counts([check("depth", first), check("nuclei", "ok"), check("groups", last)])
        for first, last in (("ok", "ok"), ("attention", "ok"), ("attention", "attention"))
    ]
    assert said == [
        "The counts pass all 3 checks.",
        "Of 3 checks of the counts, one needs attention: depth (depth is odd).",
        "Of 3 checks of the counts, 2 need attention: depth and groups.",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.nan, "–"), (np.inf, "∞"), (0.0312, "3.1%"), (0.5, "50%"), (0.0, "0%")],
)
def test_numbers_as_text(value, text):
    assert (_text.number(value) if not np.isfinite(value) else _text.percent(value)) == text


def test_wrong_requests_are_refused_before_anything_is_written(fitted, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.html; it is 'report\.pdf'"):
        sv.report.write(fitted, tmp_path / "report.pdf", basis="pca")
    with pytest.raises(KeyError, match="umap"):
        sv.report.write(fitted, tmp_path / "report.html", basis="umap")
    with pytest.raises(KeyError, match="nowhere"):
        sv.report.write(fitted, tmp_path / "report.html", basis="pca", groupby="nowhere")
    fitted.obs["each"] = fitted.obs_names
    with pytest.raises(ValueError, match="240 different values"):
        sv.report.write(fitted, tmp_path / "report.html", basis="pca", groupby="each")
    with pytest.raises(ValueError, match="n_portraits must be at least 1"):
        sv.report.write(fitted, tmp_path / "report.html", basis="pca", n_portraits=0)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_page(fitted, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(_methods, "section", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sv.report.write(fitted, path, basis="pca", n_portraits=1)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_flows_are_in_the_page_if_they_were_computed(judged, tmp_path):
    assert _flows.section(judged, "clusters", "pca", "velocity", None) is None
    sv.tl.cluster_graph(judged, "clusters", n_controls=10)
    assert _flows.section(judged, "branch", "pca", "velocity", None) is None
    assert _flows.section(judged, None, "pca", "velocity", None) is None
    found = _flows.section(judged, "clusters", "pca", "velocity", None)
    table = sv.get.cluster_graph(judged)
    table = table[table["net"] > 0].sort_values("p")
    assert [row[:2] for row in found.rows] == table[["source", "target"]].to_numpy().tolist()
    assert [row[-1] for row in found.rows] == table["verdict"].tolist()
    significant = table[table["significant"]]
    assert found.reasons == [
        f"{row.source} → {row.target} ({row.verdict}): {row.reason}"
        for row in significant.itertuples()
    ]
    assert len(found.reasons) > 0
    path = tmp_path / "page.html"
    sv.report.write(judged, path, basis="pca", n_portraits=1)
    page = Page(path.read_text(encoding="utf-8"))
    assert "Flows between clusters: mean probability of a step" in page.text
    for row in found.rows:
        assert row[4] in page.text
    for reason in found.reasons:
        assert reason in page.text
    assert EVIL_CLUSTER in {name for row in found.rows for name in row[:2]}


def test_the_page_names_the_cells_whose_flow_contradicts_the_stream(judged):
    sv.tl.cluster_graph(judged, "clusters", n_controls=10)
    stored = judged.uns["velocity_cluster_graph"]
    stored["significant"] = stored["net"] > 0
    # arrows that lead away from everything
    points = judged.obsm["X_pca"][:, :2].astype(float)
    judged.obsm["X_map"] = points
    sv.tl.velocity_embedding(judged, basis="map")
    clusters = judged.obs["clusters"].astype(str).to_numpy()
    first = stored[stored["net"] > 0].iloc[0]
    source, target = clusters == str(first["source"]), clusters == str(first["target"])
    way = points[target].mean(axis=0) - points[source].mean(axis=0)
    judged.obsm["velocity_map"][source] = -way
    said = _flows.section(judged, "clusters", "map", "velocity", None).against
    start = f"The net flow from {first['source']} to {first['target']} contradicts"
    sentence = next(text for text in said if text.startswith(start))
    assert "points away" in sentence
    assert "(cosine -1 with the way between their centres)" in sentence
    # the cells, in a loop
    c = (judged.obsp["velocity_graph"] + judged.obsp["velocity_graph_neg"]).toarray()
    c = c.astype(np.float64)
    parts = {}
    for cell in np.flatnonzero(source):
        there = c[cell] != 0
        along, against = (np.where(there, np.exp(sign * 10 * c[cell]), 0) for sign in (1, -1))
        part = along[target].sum() / along.sum() - against[target].sum() / against.sum()
        if part > 0:
            parts[judged.obs_names[cell]] = part
    order = sorted(parts, key=lambda name: -parts[name])
    assert f"comes from {len(parts)} of {source.sum()} cells" in sentence
    assert f"They are {', '.join(order[:5])} and {len(order) - 5} more" in sentence
    share = sum(parts[name] for name in order[:5]) / sum(parts.values())
    assert f"the first 5 make {_text.percent(share)} of it" in sentence
    # a flow that no cell of its source prefers
    for name in ("velocity_graph", "velocity_graph_neg"):
        graph = judged.obsp[name].tolil()
        graph[np.ix_(source, target)] = 0
        judged.obsp[name] = sp.csr_matrix(graph)
    said = _flows.section(judged, "clusters", "map", "velocity", None).against
    sentence = next(text for text in said if text.startswith(start))
    assert f"No cell of {first['source']} prefers steps to {first['target']}" in sentence
