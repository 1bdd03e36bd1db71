"""What stands in the report: verdicts first, data as text, nothing from afar."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo.report import _clusters, _genes, _methods, _text, _verdicts

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


def test_verdicts_stand_first_and_in_plain_words(page, judged_once):
    table = judged_once.uns["velocity_reliability"]
    for name, row in table.iterrows():
        assert f"{name} " in page.text
        assert row["reason"] in page.text
    supported = list(table.index[table["verdict"] == "supported"])
    assert f"support the direction of {len(supported)} of {len(table)} clusters" in page.text
    headings = [page.text.index(title) for title in ("What the data support", "The field beside")]
    assert headings == sorted(headings)
    assert "pass all" in page.text or "want a look" in page.text


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
    assert "Nothing here says whether an arrow can be trusted" in page.text
    assert "run pp.qc" in page.text
    assert "supported" not in page.text.split("The field beside")[0]


def test_without_clusters_there_is_a_page(fitted, tmp_path):
    del fitted.obs["clusters"]
    path = sv.report.write(fitted, tmp_path / "report.html", basis="pca", n_portraits=1)
    page = Page(path.read_text(encoding="utf-8"))
    assert "clusters-title" not in {heading.get("id") for heading in page.all("h2")}


def test_transitions_between_clusters_are_means_of_rows(fitted):
    sv.tl.velocity_confidence(fitted)
    found = _clusters.section(fitted, "clusters", "velocity", None)
    sv.tl.transition_matrix(fitted)
    steps = fitted.obsp["velocity_transitions"].toarray()
    labels = fitted.obs["clusters"].astype(str).to_numpy()
    for name, row in zip(found.names, found.transitions, strict=True):
        for other, (_, share) in zip(found.names, row, strict=True):
            mean = steps[labels == name][:, labels == other].sum(axis=1).mean()
            assert share == pytest.approx(100 * mean, abs=0.51)


def test_best_and_worst_genes_are_counted_well(judged):
    found = _genes.section(judged, "velocity", 3)
    var = judged.var
    middle = var["shared_counts"].median()
    assert (var.loc[[*found.best, *found.worst], "shared_counts"] >= middle).all()
    well = var.loc[var["shared_counts"] >= middle, "velocity_r2"]
    assert var.loc[found.best[0], "velocity_r2"] == well.max()
    assert var.loc[found.worst[0], "velocity_r2"] == well.min()


def test_methods_say_what_was_done(judged, prepared):
    text = _methods.section(judged, sv._fitted.Fitted.read(judged, "velocity"), "pca").text
    assert "through the origin" in text
    assert "beyond the 95th percentile" in text
    assert "cross-fitted over genes and cells (1 splits, seed 0)" in text
    assert "15 nearest neighbours in 10 principal components" in text
    assert f"of the {judged.var['velocity_genes'].sum()} genes" in text
    sv.tl.velocity(prepared, offset=True, weights="maxmin_diag")
    found = _methods.section(prepared, sv._fitted.Fitted.read(prepared, "velocity"), "pca")
    assert "with an offset on cells weighted by the rule “maxmin_diag” of velocyto" in found.text
    assert "u − γs − o" in found.text
    assert "cross-fitted" not in found.text
    cited = [entry.split(" ", 1)[0] for entry in found.references]
    assert "Fieller" not in cited
    assert cited == sorted(cited)


def test_headlines():
    def cluster(name, verdict):
        return _verdicts.Verdict(name, verdict, "", "")

    one = _verdicts._of_clusters([cluster("A", "supported"), cluster("B", "weak")])
    assert one.startswith("The data support the direction of 1 of 2 clusters: A. Weak,")
    none = _verdicts._of_clusters([cluster("A", "not supported"), cluster("B", "not supported")])
    assert none.startswith("The data support the direction of none of the 2 clusters. No direction")
    assert "A and B" in none


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
        sv.report.write(fitted, tmp_path / "report.html")
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
