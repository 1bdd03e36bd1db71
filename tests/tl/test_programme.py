"""Velocity graphs of a gene programme: names, a mask or a column, and what follows from them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.legend import Legend

import steadyvelo as sv
from steadyvelo._adata._fit import Fit


@pytest.fixture
def programme(fitted):
    """Every second gene, as a column of var."""
    fitted.var["cycle"] = np.arange(60) % 2 == 0
    return fitted.var["cycle"].to_numpy()


def graph_of(adata):
    return (adata.obsp["velocity_graph"] + adata.obsp["velocity_graph_neg"]).toarray()


def dense_graph(adata, genes):
    """Correlations of all edges over some genes, from dense layers."""
    x = adata.layers["Ms"][:, genes].astype(float)
    v = adata.layers["velocity"][:, genes].astype(float)
    found = np.zeros((adata.n_obs, adata.n_obs))
    for i, j in np.argwhere(graph_of(adata) != 0):
        found[i, j] = np.corrcoef(x[j] - x[i], v[i])[0, 1]
    return found


def test_the_graph_is_that_of_the_velocity_genes_of_the_programme(fitted, programme, said):
    sv.tl.velocity_graph(fitted, genes="cycle")
    genes = programme & fitted.var["velocity_genes"].to_numpy()
    np.testing.assert_allclose(graph_of(fitted), dense_graph(fitted, genes), atol=5e-5)
    np.testing.assert_array_equal(fitted.var["velocity_graph_genes"], genes)
    params = fitted.uns["velocity_params"]
    assert (params["graph_genes"], params["n_graph_genes"]) == ("cycle", genes.sum())
    assert f"of the 30 genes given, {genes.sum()} are used" in "\n".join(said)
    # the genes are not those of all
    before = graph_of(fitted)
    sv.tl.velocity_graph(fitted)
    assert abs(graph_of(fitted) - before).max() > 0.05
    assert "velocity_graph_genes" not in fitted.var
    assert "graph_genes" not in fitted.uns["velocity_params"]


GIVEN = {
    "names": lambda a, mask: list(a.var_names[mask]),
    "index": lambda a, mask: a.var_names[mask],
    "mask": lambda _, mask: mask,
    "list of flags": lambda _, mask: mask.tolist(),
    "series": lambda a, mask: pd.Series(mask, index=a.var_names)[::-1],
    "series without names": lambda _, mask: pd.Series(mask),
}


@pytest.mark.parametrize("form", GIVEN)
def test_a_programme_is_given_in_any_form(fitted, programme, form):
    sv.tl.velocity_graph(fitted, genes="cycle")
    expected = graph_of(fitted)
    sv.tl.velocity_graph(fitted, genes=GIVEN[form](fitted, programme))
    np.testing.assert_array_equal(graph_of(fitted), expected)
    assert fitted.uns["velocity_params"]["graph_genes"] == "given"


def test_confidence_and_controls_use_the_genes_of_the_graph(fitted, programme):
    sv.tl.velocity_graph(fitted, genes=programme)
    sv.tl.velocity_embedding(fitted, basis="pca")
    sv.tl.velocity_confidence(fitted)
    sv.tl.randomized_velocity(fitted, basis="pca", n_controls=1)
    # the same from a fit that has no other velocity genes
    alone = fitted.copy()
    alone.var["velocity_genes"] &= programme
    sv.tl.velocity_graph(alone)
    sv.tl.velocity_embedding(alone, basis="pca")
    sv.tl.velocity_confidence(alone)
    sv.tl.randomized_velocity(alone, basis="pca", n_controls=1)
    for column in ("length", "confidence", "confidence_transition", "pca_fidelity"):
        np.testing.assert_allclose(
            fitted.obs[f"velocity_{column}"], alone.obs[f"velocity_{column}"], rtol=1e-6
        )
    for name in ("velocity_pca", "velocity_randomized_pca"):
        np.testing.assert_allclose(fitted.obsm[name], alone.obsm[name], atol=1e-7)


def test_a_file_keeps_the_programme(fitted, programme, tmp_path):
    sv.tl.velocity_graph(fitted, genes="cycle")
    fitted.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    fit = Fit.read(back, "velocity")
    assert fit.graph.genes == "cycle"
    used = programme & fitted.var["velocity_genes"].to_numpy()
    np.testing.assert_array_equal(fit.genes_of_graph, np.flatnonzero(used))
    sv.tl.velocity_confidence(back)


def test_a_programme_that_has_changed_is_refused(fitted, programme):
    sv.tl.velocity_graph(fitted, genes="cycle")
    fitted.var["cycle"] = ~programme
    for call in (
        sv.tl.velocity_confidence,
        lambda a: sv.tl.randomized_velocity(a, basis="pca"),
    ):
        with pytest.raises(ValueError, match=r"var\['cycle'\], .* has changed .*rerun tl\.vel"):
            call(fitted)
    # arrows and transitions are computed from the graph alone
    sv.tl.velocity_embedding(fitted, basis="pca")
    sv.tl.transition_matrix(fitted)
    del fitted.var["cycle"]
    with pytest.raises(KeyError, match=r"genes='cycle' is not a column of adata\.var"):
        sv.tl.velocity_confidence(fitted)


@pytest.mark.parametrize("change", ["genes", "velocity genes"])
def test_a_graph_that_lost_genes_is_refused(fitted, programme, change):
    sv.tl.velocity_graph(fitted, genes=programme)
    if change == "genes":
        fitted = fitted[:, 10:].copy()
    else:
        fitted.var["velocity_genes"] &= np.arange(60) > 10
    with pytest.raises(ValueError, match=r"was computed from \d+ genes of a programme, of which"):
        sv.tl.velocity_confidence(fitted)


def test_a_new_fit_leaves_no_programme(fitted):
    sv.tl.velocity_graph(fitted, genes=list(fitted.var_names[:30]))
    sv.tl.velocity(fitted)
    assert "velocity_graph_genes" not in fitted.var
    assert "graph_genes" not in fitted.uns["velocity_params"]


def test_tests_of_all_genes_do_not_judge_the_arrows_of_a_programme(prepared):
    sv.tl.velocity(prepared, uncertainty=sv.CrossFit(n_repeats=1))
    sv.tl.velocity_graph(prepared)
    sv.tl.velocity_embedding(prepared, basis="pca")
    sv.tl.direction(prepared, basis="pca", n_controls=0)
    assert "velocity_pca_agreement" in prepared.obs
    assert legends(prepared) == ["significant direction (p < 0.05)", "not significant"]
    sv.tl.velocity_graph(prepared, genes=list(prepared.var_names[:40]))
    sv.tl.velocity_embedding(prepared, basis="pca")
    assert "velocity_pca_agreement" not in prepared.obs
    assert legends(prepared) == []


def legends(adata):
    """Texts of the legend of significance in a picture."""
    ax = sv.pl.velocity_stream(adata, basis="pca", color=None)
    return [text.get_text() for each in ax.findobj(Legend) for text in each.get_texts()]


@pytest.mark.parametrize(
    ("genes", "error", "message"),
    [
        ("gene 1", KeyError, r"genes='gene 1' is not a column of adata\.var .*names of genes as"),
        ("velocity_gamma", ValueError, r"var\['velocity_gamma'\] must have True or False .*float"),
        ("some", ValueError, r"var\['some'\] must have True or False .*59 of them missing"),
        (["Actb"], KeyError, "genes has names that are no genes of adata: 'Actb'"),
        ([], KeyError, "genes is empty"),
        (np.ones(7, dtype=bool), ValueError, "genes has 7 flags, but adata has 60 genes"),
        (
            pd.Series(np.ones(60, dtype=bool), index=[f"g{k}" for k in range(60)]),
            ValueError,
            "genes has flags for other genes than those of adata",
        ),
        (np.ones((60, 1), dtype=bool), TypeError, "genes must be names of genes, a mask"),
        (["gene 3"], ValueError, r"genes has 1 of 60 genes, of which [01] are velocity genes"),
    ],
)
def test_what_is_no_programme_is_refused(fitted, genes, error, message):
    fitted.var["some"] = pd.array([True] + [pd.NA] * 59, dtype="boolean")
    before = graph_of(fitted)
    with pytest.raises(error, match=message):
        sv.tl.velocity_graph(fitted, genes=genes)
    np.testing.assert_array_equal(graph_of(fitted), before)
    assert "velocity_graph_genes" not in fitted.var
