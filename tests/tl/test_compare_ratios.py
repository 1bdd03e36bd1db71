"""Ratios of groups of cells compared, as a user asks for it."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import ErrorChoice
from steadyvelo.model import MatchedRatios, StratumSums
from steadyvelo.tl._comparisons import Comparisons
from steadyvelo.tl._extremes_contrast import _searched_within
from steadyvelo.tl._uncertainty import Errors


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
EXTREMES = {"contrast": "extremes", "uncertainty": "sandwich"}
CONTRASTS = [{}, EXTREMES, {"contrast": "extremes", "uncertainty": TWICE}]


def more_unspliced(adata, cells, factor):
    """A copy in which some cells have more unspliced molecules of the first ten genes."""
    changed = adata.copy()
    genes = np.arange(adata.n_vars) < 10
    mean = adata.layers["true_unspliced"] * adata.obs["library_size"].to_numpy()[:, None]
    more = np.random.default_rng(1).poisson((factor - 1) * mean) * cells[:, None] * genes
    changed.layers["unspliced"] = adata.layers["unspliced"] + sp.csr_matrix(more)
    sv.tl.velocity(changed, dense=False)
    return changed


@pytest.mark.parametrize("options", CONTRASTS)
def test_every_pair_and_the_rest_are_compared(fitted, options):
    table = compared(fitted, "mixed", **options)
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
    assert list(table["gene"][:60]) == list(fitted.var_names)
    enough = table["molecules"] >= 20
    assert (table.loc[enough, "p"] < 0.05).mean() < 0.12
    tested = table["p"].notna()
    assert (table["fdr"] >= table["p"] - 1e-12)[tested].all()
    if options:
        difference = table["gamma"] - table["gamma_reference"]
        np.testing.assert_allclose(table["difference"], difference, rtol=1e-12)
        np.testing.assert_allclose(table["statistic"], difference / table["difference_se"])
        ratio = np.log2(table["gamma"] / table["gamma_reference"])
        np.testing.assert_allclose(table["log2_ratio"], ratio)
        known = enough & (table["se"] < 0.2)
        approximately = (table["log2_ratio"] / table["se"])[known]
        np.testing.assert_allclose(approximately, table["statistic"][known], atol=0.4)
    else:
        np.testing.assert_allclose(
            table["statistic"], table["log2_ratio"] / table["se"], rtol=1e-12
        )


def test_two_groups_have_no_rest(fitted):
    fitted.obs["two"] = np.where(fitted.obs["mixed"] == "a", "a", "b")
    assert set(compared(fitted, "two")["reference"]) == {"b"}
    for options in ({}, EXTREMES):
        table = compared(fitted, "mixed", conditions=["c", "a"], **options)
        assert set(zip(table["condition"], table["reference"], strict=True)) == {
            ("c", "a"),
            ("c", "rest"),
            ("a", "rest"),
        }


def test_matched_ratios_are_sums_over_strata(fitted):
    fitted.obs["stratum"] = pd.qcut(fitted.obs["true_time"], 10).astype(str)
    two = fitted.obs["mixed"].isin(["a", "b"]).to_numpy()
    table = compared(fitted, "mixed", strata="stratum").query(
        "condition == 'a' and reference == 'b'"
    )
    u, s = (fitted.layers[x].toarray().astype(float) for x in ("unspliced", "spliced"))
    depth = u.sum(1) + s.sum(1)
    strata = pd.factorize(fitted.obs["stratum"])[0]
    sides = [
        StratumSums.of(
            u, s, depth, strata=np.where(fitted.obs["mixed"] == x, strata, -1), n_strata=10
        )
        for x in "ab"
    ]
    expected = MatchedRatios.of(*sides)
    assert two.sum() == sides[0].cells.sum() + sides[1].cells.sum()
    np.testing.assert_allclose(table["log2_ratio"], expected.log_ratio / np.log(2))
    np.testing.assert_allclose(table["p"], expected.p)
    np.testing.assert_allclose(table["molecules"], expected.molecules)


@pytest.mark.parametrize("options", CONTRASTS)
def test_genes_whose_ratio_differs_are_found_though_conditions_share_a_graph(fitted, options):
    treated = (fitted.obs["mixed"] == "a").to_numpy()
    table = compared(more_unspliced(fitted, treated, 3), "mixed", **options)
    rest = table.query("condition == 'a' and reference == 'rest' and molecules >= 40")
    found = rest[rest["gene"].isin(fitted.var_names[:10])]
    assert len(found) >= 4
    assert (found["fdr"] < 0.05).all()
    assert found["log2_ratio"].median() == pytest.approx(np.log2(3), abs=0.3)
    others = rest.drop(found.index)
    assert (others["p"] < 0.05).mean() < 0.15


@pytest.mark.parametrize("options", [{}, EXTREMES])
def test_no_order_of_the_cells_matters(fitted, options):
    table = compared(fitted, "mixed", **options)
    turned = fitted[np.random.default_rng(3).permutation(600)].copy()
    sv.pp.neighbors(turned, n_neighbors=20, n_pcs=10)
    sv.tl.velocity(turned, dense=False)
    for name, column in compared(turned, "mixed", **options).items():
        if column.dtype == float:
            np.testing.assert_allclose(column, table[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_blocks_of_genes_change_nothing(fitted):
    table = compared(fitted, "mixed")
    done = []
    again = compared(fitted, "mixed", max_memory=60_000, progress=done.append)
    pd.testing.assert_frame_equal(again, table)
    assert len(done) > 4
    assert done[-1] == 1


def test_neighbours_are_searched_within_conditions(fitted):
    fitted.obs["two"] = np.where(fitted.obs["mixed"] == "a", "a", "b")
    of = Comparisons.of(fitted, "two", None, groupby=None, sample_key=None)
    fit = Fit.read(fitted, "velocity")
    groups = _searched_within(fit, of)
    np.testing.assert_array_equal(
        groups == groups[0], fitted.obs["two"] == fitted.obs["two"].iloc[0]
    )
    for representation in (None, "X_other"):
        if representation is not None:
            fitted.obsm["X_other"] = fitted.obsm["X_pca"][:, :5].copy()
            sv.pp.neighbors(fitted, n_neighbors=20, use_rep="X_other")
            sv.tl.velocity(fitted, dense=False)
            fit = Fit.read(fitted, "velocity")
        choice = ErrorChoice.asked(ONCE, 600)
        (repeat,) = Errors.of_fit(fit, choice, within=groups).repeats
        for graph in repeat.graphs:
            cell = fit.order.cell_of_row
            rows = np.repeat(np.arange(600), np.diff(graph.indptr))
            assert (groups[cell[rows]] == groups[cell[graph.indices]]).all()
            # of 2 · 19 neighbours about half are in each fold of cells
            np.testing.assert_array_equal(np.diff(graph.indptr), 38)


def test_cells_of_other_conditions_do_not_change_slopes(fitted):
    table = compared(fitted, "mixed", **EXTREMES).query("condition == 'a' and reference == 'b'")
    treated = (fitted.obs["mixed"] == "c").to_numpy()
    # of c alone; neighbours stay those of principal components
    other = compared(more_unspliced(fitted, treated, 5), "mixed", **EXTREMES)
    other = other.query("condition == 'a' and reference == 'b'")
    for column in ("gamma", "gamma_reference", "p"):
        np.testing.assert_allclose(other[column], table[column])


@pytest.fixture
def sampled(fitted):
    """Two samples of each condition, and cells whose samples have all conditions."""
    fitted.obs["two"] = np.where(fitted.obs["mixed"] == "a", "a", "b")
    number = np.random.default_rng(2).integers(0, 3, 600).astype(str)
    fitted.obs["own sample"] = [f"{x} {n}" for x, n in zip(fitted.obs["two"], number, strict=True)]
    return fitted


@pytest.mark.parametrize("options", [{}, EXTREMES])
def test_samples_are_units_where_they_are_named(sampled, options):
    treated = (sampled.obs["two"] == "a").to_numpy()
    changed = more_unspliced(sampled, treated, 3)
    cells = compared(changed, "two", **options)
    table = compared(changed, "two", sample_key="own sample", **options)
    assert {"df", "samples", "samples_reference"} <= set(table.columns)
    enough = (table["molecules"] > 100).to_numpy()
    assert (table.loc[enough, ["samples", "samples_reference"]] == 3).to_numpy().all()
    tested = enough & table["p"].notna().to_numpy()
    near = np.corrcoef(table["log2_ratio"][tested], cells["log2_ratio"][tested])[0, 1]
    assert near > 0.6
    assert (table["df"][tested] >= 4).all()
    np.testing.assert_allclose(
        table["statistic"][tested], (table["log2_ratio"] / table["se"])[tested]
    )


def test_samples_that_vary_make_the_test_of_samples_careful(sampled):
    generator = np.random.default_rng(4)
    own = dict(
        zip(sampled.obs["own sample"].unique(), generator.normal(0, 0.5, (6, 60)), strict=True)
    )
    mean = sampled.layers["true_unspliced"] * sampled.obs["library_size"].to_numpy()[:, None]
    factor = np.exp([own[name] for name in sampled.obs["own sample"]])
    sampled.layers["unspliced"] = sp.csr_matrix(generator.poisson(3 * mean * factor))
    sv.tl.velocity(sampled, dense=False)
    over_cells = compared(sampled, "two")["p"].dropna()
    over_samples = compared(sampled, "two", sample_key="own sample")["p"].dropna()
    assert (over_cells < 0.05).mean() > 0.5
    assert (over_samples < 0.05).mean() < 0.2


@pytest.mark.parametrize("options", [{}, EXTREMES])
def test_samples_with_both_conditions_are_compared_in_pairs(fitted, options):
    treated = (fitted.obs["mixed"] == "a").to_numpy()
    fitted.obs["two"] = np.where(treated, "a", "b")
    fitted.obs["donor"] = np.array(list("stu"))[np.random.default_rng(2).integers(0, 3, 600)]
    table = compared(more_unspliced(fitted, treated, 3), "two", sample_key="donor", **options)
    # degrees of freedom of three differences are two, and those of the prior
    enough = table["molecules"] > 100
    assert (table.loc[enough, ["samples", "samples_reference"]] == 3).to_numpy().all()
    assert (table.loc[enough & (table.index < 10), "p"] < 0.05).mean() > 0.6


def test_the_table_is_stored_with_how_it_was_made(fitted, tmp_path):
    sv.tl.compare_ratios(fitted, "mixed", **EXTREMES)
    made = fitted.uns["velocity_params"]["ratio_differences"]
    assert (made["condition_key"], made["uncertainty"], made["schema"]) == ("mixed", "sandwich", 1)
    sv.tl.compare_ratios(fitted, "mixed", rng=7)
    made = fitted.uns["velocity_params"]["ratio_differences"]
    assert (made["contrast"], made["rng"], made["strata"]) == ("matched", 7, "")
    assert "uncertainty" not in made
    fitted.write_h5ad(tmp_path / "x.h5ad")
    back = sv.get.ratio_differences(ad.read_h5ad(tmp_path / "x.h5ad"), fitted.var_names[[3, 5]])
    assert set(back["gene"]) == set(fitted.var_names[[3, 5]])
    assert len(back) == 2 * 6
    sv.tl.velocity(fitted, dense=False)
    with pytest.raises(KeyError, match=r"run tl\.compare_ratios\(adata, condition_key\) first"):
        sv.get.ratio_differences(fitted)


def test_within_each_cluster_only_its_cells_are_compared(fitted):
    found = compared(fitted, "mixed", groupby="branch", **EXTREMES)
    assert list(found["group"].unique()) == ["branch 1", "branch 2", "trunk"]
    assert "homogeneity_p" not in found
    two = compared(fitted, "mixed", groupby="branch", groups="trunk", **EXTREMES)
    assert list(two["group"].unique()) == ["trunk"]
    trunk = found[found["group"] == "trunk"].reset_index(drop=True)
    pd.testing.assert_frame_equal(two, trunk)


def test_matched_ratios_are_compared_within_clusters_and_over_all(fitted):
    trunk = (fitted.obs["branch"] == "trunk").to_numpy()
    treated = (fitted.obs["mixed"] == "a").to_numpy()
    changed = more_unspliced(fitted, treated & trunk, 4)
    changed.obs["two"] = np.where(treated, "a", "b")
    found = compared(changed, "two", groupby="branch").set_index(["group", "gene"])
    assert list(found.index.unique("group")) == ["all clusters", "branch 1", "branch 2", "trunk"]
    every = found.loc["all clusters"]
    first, molecules = every.iloc[:10], every["molecules"].iloc[:10] > 40
    assert molecules.sum() > 3
    assert (first["homogeneity_p"][molecules] < 0.01).mean() > 0.8
    assert (every["homogeneity_p"].iloc[10:] < 0.05).mean() < 0.15
    assert (every["homogeneity_df"].dropna().isin([1, 2])).all()
    assert found.loc["trunk", "homogeneity_p"].isna().all()
    tested = found.loc["trunk"].iloc[:10].query("molecules > 30")
    assert (tested["p"] < 0.001).all()
    # strata are nested in clusters: a cluster by itself has the same
    alone = compared(changed, "two", groupby="branch", groups="trunk").set_index(["group", "gene"])
    pd.testing.assert_frame_equal(
        alone.loc["trunk"].iloc[:, :8], found.loc["trunk"].iloc[:, :8], rtol=1e-12
    )
    samples = fitted.obs["two"] = changed.obs["two"]
    changed.obs["sample"] = [f"{x}{n % 3}" for n, x in enumerate(samples)]
    table = compared(changed, "two", groupby="branch", sample_key="sample")
    assert "homogeneity_p" not in table
    assert "all clusters" in set(table["group"])


@pytest.mark.parametrize("options", [{}, EXTREMES])
def test_a_cluster_of_one_condition_is_named_and_left_out(fitted, options):
    fitted.obs["two"] = np.where(fitted.obs["branch"] == "trunk", "a", fitted.obs["mixed"])
    with pytest.warns(sv.SteadyveloWarning) as said:
        found = compared(fitted, "two", groupby="branch", **options)
    assert any(
        "cluster 'trunk' of obs['branch'] has cells of fewer than two conditions"
        in str(one.message)
        for one in said
    )
    assert set(found["group"]) - {"all clusters"} == {"branch 1", "branch 2"}


@pytest.mark.parametrize("options", [{}, EXTREMES])
def test_few_samples_in_a_cluster_are_named_and_left_out(sampled, options):
    # of condition a, the trunk has one sample
    alone = (sampled.obs["branch"] == "trunk") & (sampled.obs["two"] == "a")
    sampled.obs.loc[alone, "own sample"] = "a 0"
    with pytest.warns(
        sv.SteadyveloWarning, match=r"'a' and 'b' are not compared in cluster 'trunk'"
    ):
        found = compared(sampled, "two", groupby="branch", sample_key="own sample", **options)
    assert set(found["group"]) - {"all clusters"} == {"branch 1", "branch 2"}


def test_conditions_that_share_few_strata_are_warned_of(fitted):
    fitted.obs["stratum"] = np.where(np.arange(600) < 100, "x", fitted.obs["mixed"])
    with pytest.warns(sv.SteadyveloWarning) as said:
        table = compared(fitted, "mixed", strata="stratum", conditions=["a", "b"])
    assert any("% of the cells of 'a' are in strata that also" in str(one.message) for one in said)
    assert len(table) == 180
    fitted.obs.loc[fitted.obs["mixed"] == "c", "stratum"] = "c alone"
    with pytest.warns(sv.SteadyveloWarning) as said:
        table = compared(fitted, "mixed", strata="stratum")
    assert any("two cells each of 'a' and 'c'" in str(one.message) for one in said)
    pairs = set(zip(table["condition"], table["reference"], strict=True))
    assert pairs == {("a", "b"), ("a", "rest"), ("b", "rest")}


def test_cells_without_a_stratum_are_left_out(fitted):
    column = fitted.obs["branch"].astype(object)
    column[np.arange(600) % 2 == 0] = None
    fitted.obs["stratum"] = column
    table = compared(fitted, "mixed", strata="stratum")
    fitted.obs["kept"] = fitted.obs["mixed"].where(column.notna())
    fitted.obs["stratum"] = fitted.obs["branch"]
    again = compared(fitted, "kept", strata="stratum", conditions=["a", "b"])
    pair = "condition == 'a' and reference == 'b'"
    np.testing.assert_allclose(table.query(pair)["p"], again.query(pair)["p"])


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
        ({"condition_key": "mixed", "sample_key": "donor"}, KeyError, "sample_key='donor' is"),
        (
            {"condition_key": "mixed", "contrast": "slopes"},
            ValueError,
            "contrast must be one of 'matched', 'extremes'; it is 'slopes'",
        ),
        ({"condition_key": "mixed", "strata": "donor"}, KeyError, "strata='donor' is not a column"),
        (
            {"condition_key": "mixed", "strata": "mixed"},
            ValueError,
            "no stratum has two cells each of 'a' and 'b'.*contrast='extremes'",
        ),
        (
            {"condition_key": "mixed", "strata": "branch", "contrast": "extremes"},
            ValueError,
            "strata='branch' has no effect on contrast='extremes'",
        ),
        (
            {"condition_key": "mixed", "sample_key": "mixed"},
            ValueError,
            r"two samples of obs\['mixed'\] of each, or two samples with cells of both",
        ),
        (
            {"condition_key": "mixed", "sample_key": "mixed", **EXTREMES},
            ValueError,
            r"two samples of obs\['mixed'\] of each, or two samples with cells of both",
        ),
        ({"condition_key": "mixed", "groups": "trunk"}, ValueError, "needs groupby="),
        (
            {"condition_key": "mixed", "uncertainty": None, "contrast": "extremes"},
            TypeError,
            "uncertainty must be 'crossfit', 'sandwich'",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(fitted, options, error, match):
    before = dict(fitted.uns)
    with pytest.raises(error, match=match):
        sv.tl.compare_ratios(fitted, **options)
    assert fitted.uns.keys() == before.keys()


def test_cells_that_are_not_used_have_no_condition(fitted):
    fitted.obs["cells_used"] = (fitted.obs["mixed"] == "a").to_numpy()
    sv.tl.velocity(fitted, dense=False)
    for options in ({}, EXTREMES):
        with pytest.raises(
            ValueError, match="compared cells have fewer than two conditions of obs"
        ):
            sv.tl.compare_ratios(fitted, "mixed", **options)


def test_normalised_counts_are_refused_at_matched_state(fitted):
    for name in ("spliced", "unspliced"):
        counts = fitted.layers[name].astype(float)
        scale = 100 / np.maximum(counts.sum(axis=1), 1)
        fitted.layers[name] = sp.csr_matrix(counts.multiply(scale))
    with pytest.warns(sv.SteadyveloWarning, match="taken as normalised"):
        sv.pp.size_factors(fitted, method="common")
    sv.tl.velocity(fitted, dense=False)
    with pytest.raises(ValueError, match="taken as normalised, but contrast='matched' adds up mol"):
        sv.tl.compare_ratios(fitted, "mixed")
    assert len(compared(fitted, "mixed", **EXTREMES)) == 360


def test_a_missing_representation_is_named(fitted):
    fitted.obsm["X_other"] = fitted.obsm["X_pca"][:, :5].copy()
    sv.pp.neighbors(fitted, n_neighbors=20, use_rep="X_other")
    sv.tl.velocity(fitted, dense=False)
    table = compared(fitted, "mixed")
    assert (table["p"] < 0.05).mean() < 0.12
    del fitted.obsm["X_other"]
    with pytest.raises(KeyError, match=r"no 'X_other' .*groups of similar cells as strata="):
        sv.tl.compare_ratios(fitted, "mixed")
    with pytest.raises(KeyError, match=r"no 'X_other' .*rerun pp\.neighbors"):
        sv.tl.compare_ratios(fitted, "mixed", **EXTREMES)
    assert len(compared(fitted, "mixed", strata="branch")) == 360


def test_given_weights_have_no_slopes_of_conditions(fitted):
    sv.tl.velocity(fitted, weights=np.ones(600), dense=False)
    with pytest.raises(ValueError, match="weights='extremes' or another rule"):
        sv.tl.compare_ratios(fitted, "mixed", contrast="extremes")
    # at matched state, the weights of a fit are not used
    assert compared(fitted, "mixed")["p"].notna().mean() > 0.9


def test_few_genes_are_matched_in_principal_components_of_all(fitted):
    few = fitted[:, :4].copy()
    sv.tl.velocity(few, dense=False)
    assert len(compared(few, "mixed")) == 4 * 6
