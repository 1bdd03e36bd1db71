"""Ranking of velocity genes by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats
from statsmodels.stats.multitest import multipletests

import steadyvelo as sv

COLUMNS = [
    "group",
    "gene",
    "velocity",
    "scaled",
    "effect",
    "se",
    "statistic",
    "p",
    "fdr",
    "fraction",
    "direction",
    "ranked",
]


def ranked(adata, groupby, **options):
    sv.tl.rank_velocity_genes(adata, groupby, **options)
    return sv.get.ranked_genes(adata)


def fitted(**options):
    adata = sv.datasets.simulate(n_cells=400, n_genes=60, rng=0, **options)
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    sv.tl.velocity(adata)
    return adata


@pytest.fixture(scope="module")
def moving():
    return fitted()


def deviations(adata):
    scaled = [
        adata.layers[name].toarray() / adata.obs[f"size_factor_{name}"].to_numpy()[:, None]
        for name in ("spliced", "unspliced")
    ]
    table = scaled[1] - adata.var["velocity_gamma"].to_numpy() * scaled[0]
    return pd.DataFrame(table, adata.obs_names, adata.var_names)


@pytest.mark.parametrize("memory", [None, 400 * 100 * 7])
def test_every_number_from_its_definition(moving, memory):
    floors = {"min_expression": 0, "min_r2": -1e9}
    table = ranked(moving, "branch", max_memory=memory, n_threads=2, **floors)
    assert list(table.columns) == COLUMNS
    genes = moving.var_names[moving.var["velocity_genes"]]
    raw = deviations(moving)[genes]
    smooth = pd.DataFrame(moving.layers["velocity"], moving.obs_names, moving.var_names)[genes]
    for name, in_group in table.groupby("group"):
        assert (in_group["statistic"].diff().dropna() <= 0).all()
        rows = in_group.set_index("gene").loc[genes]
        inside = (moving.obs["branch"] == name).to_numpy()
        test = stats.ttest_ind(raw[inside], raw[~inside], equal_var=False)
        np.testing.assert_allclose(rows["velocity"], raw[inside].mean(), rtol=1e-4, atol=1e-6)
        effect = raw[inside].mean() - raw[~inside].mean()
        np.testing.assert_allclose(rows["effect"], effect, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(rows["statistic"], test.statistic, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(rows["p"], test.pvalue, rtol=1e-3, atol=1e-12)
        np.testing.assert_allclose(
            rows["fdr"], multipletests(rows["p"], method="fdr_bh")[1], rtol=1e-9
        )
        sign = np.sign(rows["velocity"])
        fraction = (smooth[inside] * sign > 0).mean()
        np.testing.assert_allclose(rows["fraction"], fraction, atol=1.01 / inside.sum())
        direction = np.select([sign > 0, sign < 0], ["induction", "repression"], "")
        assert (rows["direction"] == direction).all()


def test_samples_are_units_where_they_are_named(moving):
    adata = moving.copy()
    adata.obs["donor"] = pd.Categorical(np.arange(adata.n_obs) % 4)
    table = ranked(adata, "branch", groups=["trunk", "branch 1"], sample_key="donor")
    assert set(table["group"]) == {"trunk", "branch 1"}
    rows = table[table["group"] == "trunk"].set_index("gene")
    raw = deviations(adata)[rows.index]
    inside = (adata.obs["branch"] == "trunk").to_numpy()
    donors = adata.obs["donor"].to_numpy()
    differences = [
        raw[inside & (donors == d)].mean() - raw[~inside & (donors == d)].mean() for d in range(4)
    ]
    test = stats.ttest_1samp(pd.DataFrame(differences), 0)
    np.testing.assert_allclose(rows["statistic"], test.statistic, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rows["p"], test.pvalue, rtol=1e-3)


def test_genes_that_are_switched_on_in_a_branch_are_found(moving):
    table = ranked(moving, "clusters")
    truth = pd.DataFrame(moving.layers["true_velocity"], moving.obs_names, moving.var_names)
    for name, rows in table.groupby("group"):
        inside = (moving.obs["clusters"] == name).to_numpy()
        sure = rows[rows["fdr"] < 0.01]
        effect = truth[inside].mean() - truth[~inside].mean()
        agree = np.sign(sure["effect"]) == np.sign(effect[sure["gene"]].to_numpy())
        assert agree.mean() > 0.9 or len(sure) < 5


@pytest.mark.slow
@pytest.mark.parametrize("groupby", ["mixed", "branch"])
def test_where_nothing_moves_the_test_keeps_its_level(groupby):
    found = []
    for seed in range(30):
        adata = sv.datasets.simulate(n_cells=600, n_genes=80, steady_state=True, depth=1, rng=seed)
        sv.pp.size_factors(adata, method="common")
        sv.pp.neighbors(adata, n_neighbors=30, n_pcs=20)
        mixed = np.random.default_rng(seed).random(adata.n_obs) < 0.3
        adata.obs["mixed"] = np.where(mixed, "a", "b")
        sv.tl.velocity(adata, dense=False)
        table = ranked(adata, groupby)
        p = table.loc[table["group"] == table["group"].iloc[0], "p"]
        found.append((p < 0.05).mean())
    # genes of one data set share its cells: the spread is that between data sets
    assert abs(np.mean(found) - 0.05) < 3 * np.std(found) / np.sqrt(len(found)) + 0.01


def test_a_group_of_one_cell_has_no_test(moving):
    adata = moving.copy()
    adata.obs["alone"] = np.where(np.arange(adata.n_obs) == 5, "one", "others")
    table = ranked(adata, "alone", groups=["one", "others"])
    assert table["p"].isna().all()
    assert table["velocity"].notna().all()
    with pytest.raises(KeyError, match=r"groups 'nobody' are not in obs\['alone'\]"):
        ranked(adata, "alone", groups=["nobody", "one"])


def test_one_group_is_ranked_against_all_others(moving):
    every = ranked(moving, "branch")
    for asked in ("trunk", ["trunk"], ["trunk", "trunk"]):
        one = ranked(moving, "branch", groups=asked)
        expected = every[every["group"] == "trunk"].reset_index(drop=True)
        np.testing.assert_array_equal(one["gene"], expected["gene"])
        np.testing.assert_allclose(one["statistic"], expected["statistic"])
    with pytest.raises(ValueError, match="a comparison needs at least 2 conditions"):
        sv.tl.compare_ratios(moving, "branch", conditions="trunk")


@pytest.fixture
def conditions():
    """Six samples, three of each condition."""
    adata = sv.datasets.simulate(n_cells=600, n_genes=80, depth=2, rng=0)
    sample = np.random.default_rng(0).integers(0, 6, adata.n_obs)
    adata.obs["sample"] = pd.Categorical([f"s{i}" for i in sample])
    adata.obs["condition"] = pd.Categorical(np.where(sample < 3, "WT", "KO"))
    # a change of the unspliced counts of 10 genes in one condition
    unspliced = adata.layers["unspliced"].toarray()
    changed = np.ix_(sample >= 3, np.arange(10))
    unspliced[changed] = unspliced[changed] * 2
    adata.layers["unspliced"] = sp.csr_matrix(unspliced)
    return sv.run(adata, basis="pca", uncertainty=None, min_shared_counts=5)


def test_samples_of_one_condition_each_are_compared_between_samples(conditions):
    sv.tl.rank_velocity_genes(conditions, "condition", sample_key="sample")
    table = sv.get.ranked_genes(conditions)
    assert table["p"].notna().all()
    made = conditions.uns["velocity_params"]["ranked_genes"]
    assert made["units"] == "means of samples"
    # by hand, with the means of samples
    first = table[table["group"] == "KO"].set_index("gene")
    r = of_genes(conditions, first.index)
    means = r.groupby(conditions.obs["sample"].to_numpy()).mean()
    ko, wt = means.loc[["s3", "s4", "s5"]], means.loc[["s0", "s1", "s2"]]
    expected = stats.ttest_ind(ko, wt, equal_var=False)
    np.testing.assert_allclose(first["statistic"], expected.statistic, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(first["p"], expected.pvalue, rtol=1e-3)


def of_genes(adata, genes):
    """Deviations of counts from the lines, cells × genes."""
    s, u = (
        pd.DataFrame(adata.layers[name].toarray(), adata.obs_names, adata.var_names)[list(genes)]
        for name in ("spliced", "unspliced")
    )
    s = s.div(adata.obs["size_factor_spliced"], axis=0)
    u = u.div(adata.obs["size_factor_unspliced"], axis=0)
    return u - s * adata.var["velocity_gamma"][list(genes)]


def test_too_few_samples_are_refused_or_said(conditions):
    two = conditions.copy()
    two.obs["sample"] = two.obs["condition"]
    with pytest.raises(ValueError, match=r"no group can be compared over the samples"):
        sv.tl.rank_velocity_genes(two, "condition", sample_key="sample")
    labels = conditions.obs["condition"].astype(str)
    labels[conditions.obs["sample"] == "s0"] = "third"
    conditions.obs["condition"] = labels.astype("category")
    with pytest.warns(sv.SteadyveloWarning, match="groups 'third' have too few samples"):
        sv.tl.rank_velocity_genes(conditions, "condition", sample_key="sample")


def test_a_gene_that_is_not_expressed_in_a_group_does_not_lead_its_ranking(conditions):
    sv.tl.rank_velocity_genes(conditions, "branch")
    table = sv.get.ranked_genes(conditions)
    assert not table["ranked"].all()
    for name, rows in table.groupby("group"):
        cells = (conditions.obs["branch"] == name).to_numpy()
        assert rows["ranked"].is_monotonic_decreasing
        ranked = rows[rows["ranked"]]
        assert ranked["statistic"].is_monotonic_decreasing
        assert rows.loc[~rows["ranked"], "fdr"].isna().all()
        total = sum(
            pd.DataFrame(conditions.layers[layer].toarray(), columns=conditions.var_names)
            .div(conditions.obs[f"size_factor_{layer}"].to_numpy(), axis=0)
            .groupby(conditions.obs["branch"].to_numpy())
            .mean()
            for layer in ("spliced", "unspliced")
        )
        assert cells.any()
        share = (total.loc[name] / total.max())[ranked["gene"]]
        assert (share >= 0.1).all()
    sv.tl.rank_velocity_genes(conditions, "branch", min_expression=0, min_r2=-np.inf)
    assert sv.get.ranked_genes(conditions)["ranked"].all()
