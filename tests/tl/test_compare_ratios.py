"""Ratios of groups of cells compared, as a user asks for it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv


@pytest.fixture(scope="module")
def fitted_once():
    adata = sv.datasets.simulate(n_cells=600, n_genes=60, steady_state=True, rng=0)
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    rng = np.random.default_rng(0)
    adata.obs["mixed"] = np.array(["a", "b", "c"])[rng.integers(0, 3, 600)]
    adata.obs["sample"] = np.array(list("stuvwx"))[rng.integers(0, 6, 600)]
    sv.tl.velocity(adata, dense=False)
    return adata


@pytest.fixture
def fitted(fitted_once):
    return fitted_once.copy()


@pytest.mark.parametrize("uncertainty", ["sandwich", "crossfit"])
def test_every_pair_and_the_rest_are_compared(fitted, uncertainty):
    table = sv.tl.compare_ratios(fitted, "mixed", uncertainty=uncertainty, n_splits=2)
    pairs = set(table[["group", "reference"]].itertuples(index=False, name=None))
    assert pairs == {
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
        ("a", "rest"),
        ("b", "rest"),
        ("c", "rest"),
    }
    assert (table.groupby(["group", "reference"]).size() == 60).all()
    enough = table["molecules"] >= 20
    assert (table.loc[enough, "p"] < 0.05).mean() < 0.12
    tested = table["p"].notna()
    assert (table["fdr"] >= table["p"])[tested].all()
    np.testing.assert_allclose(
        table["difference"], table["gamma"] - table["gamma_reference"], rtol=1e-12
    )


def test_two_groups_have_no_rest(fitted):
    fitted.obs["two"] = np.where(fitted.obs["mixed"] == "a", "a", "b")
    table = sv.tl.compare_ratios(fitted, "two", n_splits=1)
    assert set(table["reference"]) == {"b"}
    table = sv.tl.compare_ratios(fitted, "mixed", groups=["c", "a"], n_splits=1)
    assert set(zip(table["group"], table["reference"], strict=True)) == {
        ("c", "a"),
        ("c", "rest"),
        ("a", "rest"),
    }


def test_a_gene_whose_ratio_differs_is_found(fitted):
    trunk = (fitted.obs["branch"] == "trunk").to_numpy()
    changed = fitted.copy()
    # twice as many molecules again: their ratio on the trunk is three times that of the branches
    mean = fitted.layers["true_unspliced"] * fitted.obs["library_size"].to_numpy()[:, None]
    more = np.random.default_rng(1).poisson(2 * mean) * trunk[:, None]
    changed.layers["unspliced"] = fitted.layers["unspliced"] + sp.csr_matrix(more)
    sv.tl.velocity(changed, dense=False)
    table = sv.tl.compare_ratios(changed, "branch", n_splits=2)
    rest = table[(table["group"] == "trunk") & (table["reference"] == "rest")]
    rest = rest[rest["molecules"] >= 40]
    assert len(rest) > 10
    assert (rest["p"] < 0.05).mean() > 0.6
    assert rest["p"].median() < 0.01
    assert (rest["difference"] > 0).mean() > 0.9


def test_samples_are_units_where_they_are_named(fitted):
    cells = sv.tl.compare_ratios(fitted, "branch", n_splits=1)
    samples = sv.tl.compare_ratios(fitted, "branch", n_splits=1, sample_key="sample")
    np.testing.assert_allclose(samples["difference"], cells["difference"])
    assert not np.allclose(samples["se"], cells["se"])


def test_nothing_is_written(fitted):
    before = {slot: set(getattr(fitted, slot)) for slot in ("obs", "var", "uns", "layers", "obsp")}
    sv.tl.compare_ratios(fitted, "mixed", uncertainty="sandwich")
    assert before == {slot: set(getattr(fitted, slot)) for slot in before}


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"groupby": "celltype"}, KeyError, "celltype"),
        ({"groupby": "mixed", "groups": ["a", "z"]}, KeyError, "'z'"),
        ({"groupby": "mixed", "groups": ["a"]}, ValueError, "cannot be compared"),
        ({"groupby": "mixed", "uncertainty": "wald"}, ValueError, "wald"),
        ({"groupby": "mixed", "velocity_key": "other"}, KeyError, "other"),
        ({"groupby": "mixed", "sample_key": "donor"}, KeyError, "donor"),
    ],
)
def test_what_cannot_be_compared_is_refused(fitted, options, error, match):
    with pytest.raises(error, match=match):
        sv.tl.compare_ratios(fitted, **options)


def test_given_weights_have_no_groups(fitted):
    sv.tl.velocity(fitted, weights=np.ones(600), dense=False)
    with pytest.raises(ValueError, match="fit with a rule"):
        sv.tl.compare_ratios(fitted, "mixed")
