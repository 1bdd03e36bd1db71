"""Ratios of groups of cells compared, as a user asks for it."""

from __future__ import annotations

import anndata as ad
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


def compared(adata, condition_key, **options):
    sv.tl.compare_ratios(adata, condition_key, **options)
    return sv.get.ratio_differences(adata)


ONCE, TWICE = sv.CrossFit(n_repeats=1), sv.CrossFit(n_repeats=2)


@pytest.mark.parametrize("uncertainty", ["sandwich", TWICE])
def test_every_pair_and_the_rest_are_compared(fitted, uncertainty):
    table = compared(fitted, "mixed", uncertainty=uncertainty)
    pairs = set(table[["condition", "reference"]].itertuples(index=False, name=None))
    assert pairs == {
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
        ("a", "rest"),
        ("b", "rest"),
        ("c", "rest"),
    }
    assert (table.groupby(["condition", "reference"]).size() == 60).all()
    enough = table["molecules"] >= 20
    assert (table.loc[enough, "p"] < 0.05).mean() < 0.12
    tested = table["p"].notna()
    assert (table["fdr"] >= table["p"])[tested].all()
    np.testing.assert_allclose(
        table["difference"], table["gamma"] - table["gamma_reference"], rtol=1e-12
    )


def test_two_groups_have_no_rest(fitted):
    fitted.obs["two"] = np.where(fitted.obs["mixed"] == "a", "a", "b")
    table = compared(fitted, "two", uncertainty=ONCE)
    assert set(table["reference"]) == {"b"}
    table = compared(fitted, "mixed", conditions=["c", "a"], uncertainty=ONCE)
    assert set(zip(table["condition"], table["reference"], strict=True)) == {
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
    table = compared(changed, "branch")
    rest = table[(table["condition"] == "trunk") & (table["reference"] == "rest")]
    rest = rest[rest["molecules"] >= 40]
    assert len(rest) > 10
    assert (rest["p"] < 0.05).mean() > 0.6
    assert rest["p"].median() < 0.01
    assert (rest["difference"] > 0).mean() > 0.9


def test_samples_are_units_where_they_are_named(fitted):
    cells = compared(fitted, "branch", uncertainty=ONCE)
    samples = compared(fitted, "branch", uncertainty=ONCE, sample_key="sample")
    np.testing.assert_allclose(samples["difference"], cells["difference"])
    assert not np.allclose(samples["se"], cells["se"])


def test_the_table_is_stored_with_how_it_was_made(fitted, tmp_path):
    sv.tl.compare_ratios(fitted, "mixed", uncertainty="sandwich")
    made = fitted.uns["velocity_params"]["ratio_differences"]
    assert (made["condition_key"], made["uncertainty"], made["schema"]) == ("mixed", "sandwich", 1)
    fitted.write_h5ad(tmp_path / "x.h5ad")
    back = sv.get.ratio_differences(ad.read_h5ad(tmp_path / "x.h5ad"), fitted.var_names[[3, 5]])
    assert set(back["gene"]) == set(fitted.var_names[[3, 5]])
    assert len(back) == 2 * 6
    sv.tl.velocity(fitted, dense=False)
    with pytest.raises(KeyError, match=r"run tl\.compare_ratios\(adata, condition_key\) first"):
        sv.get.ratio_differences(fitted)


def test_within_each_cluster_only_its_cells_are_compared(fitted):
    found = compared(fitted, "mixed", groupby="branch", uncertainty="sandwich")
    assert list(found["group"].unique()) == ["branch 1", "branch 2", "trunk"]
    fitted.obs["within"] = fitted.obs["mixed"].where(fitted.obs["branch"] == "trunk")
    alone = compared(fitted, "within", uncertainty="sandwich")
    pairs = alone["reference"] != "rest"
    trunk = found[(found["group"] == "trunk") & (found["reference"] != "rest")]
    for column in ("gamma", "difference", "se", "p"):
        np.testing.assert_allclose(trunk[column], alone.loc[pairs, column])
    two = compared(fitted, "mixed", groupby="branch", groups="trunk", uncertainty="sandwich")
    assert list(two["group"].unique()) == ["trunk"]


def test_a_cluster_of_one_condition_is_named_and_left_out(fitted):
    fitted.obs["two"] = np.where(fitted.obs["branch"] == "trunk", "a", fitted.obs["mixed"])
    with pytest.warns(sv.SteadyveloWarning, match="cluster 'trunk' .* fewer than two conditions"):
        found = compared(fitted, "two", groupby="branch", uncertainty="sandwich")
    assert list(found["group"].unique()) == ["branch 1", "branch 2"]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"condition_key": "celltype"}, KeyError, "^.condition_key='celltype' is not a column"),
        ({"condition_key": "mixed", "conditions": ["a", "z"]}, KeyError, "conditions 'z' are not"),
        (
            {"condition_key": "mixed", "conditions": ["a"]},
            ValueError,
            r"at least 2 conditions of .*; give another column as condition_key=, or more cond",
        ),
        ({"condition_key": "mixed", "uncertainty": "wald"}, ValueError, "wald"),
        ({"condition_key": "mixed", "velocity_key": "other"}, KeyError, "other"),
        (
            {"condition_key": "mixed", "sample_key": "donor"},
            KeyError,
            "sample_key='donor' is",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(fitted, options, error, match):
    with pytest.raises(error, match=match):
        sv.tl.compare_ratios(fitted, **options)


def test_given_weights_have_no_groups(fitted):
    sv.tl.velocity(fitted, weights=np.ones(600), dense=False)
    with pytest.raises(ValueError, match="weights='extremes' or another rule"):
        sv.tl.compare_ratios(fitted, "mixed")
