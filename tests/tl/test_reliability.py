"""Model checks, sensitivity, support and verdicts as a user asks for them."""

from __future__ import annotations

import anndata as ad
import joblib
import numpy as np
import pandas as pd
import pytest

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo.tl._data_checks import _model, _sizes
from steadyvelo.tl._limits import Limits
from steadyvelo.tl._reliability import _with_variants
from steadyvelo.tl._variant import Variant, fit_variant
from steadyvelo.tl._verdicts import judge, verdict_of


def prepared(*, still=False, rng=0, n_cells=600, offset=False, **options):
    adata = sv.datasets.simulate(
        n_cells=n_cells, n_genes=100, library_size_sd=0.5, steady_state=still, rng=rng, **options
    )
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=15)
    adata.obsm["X_plane"] = adata.obsm["X_pca"][:, :2].astype(np.float64)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), dense=False, offset=offset)
    return adata


@pytest.fixture(scope="module")
def moving_once():
    adata = prepared()
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="plane")
    sv.tl.reliability(adata, "clusters", basis="plane", n_controls=10)
    return adata


@pytest.fixture
def moving(moving_once):
    return moving_once.copy()


def test_clusters_that_move_are_supported(moving):
    table = moving.uns["velocity_reliability"]
    assert list(table.index) == list(moving.obs["clusters"].cat.categories)
    assert (table["verdict"] == "supported").mean() >= 0.5
    assert (table["verdict"] != "not supported").all()
    assert table["reason"].str.endswith(".").all()
    assert (table["reversal_se"] > 2).all()
    assert (table["p_holm_low"] <= table["p_holm"]).all()
    assert (table["p_holm"] <= table["p_holm_high"]).all()
    checks = moving.uns["velocity_reliability_checks"]
    assert checks.loc["significant cells", "verdict"] == "ok"
    assert "drawn and tested arrows" in checks.index
    assert {"all", *table.index} == set(moving.uns["velocity_sensitivity"].columns)


def test_clusters_at_steady_state_are_not():
    significant = []
    for seed in range(3):
        adata = prepared(still=True, rng=seed)
        sv.tl.reliability(adata, "clusters", basis="plane", n_controls=5, sensitivity=False)
        table = adata.uns["velocity_reliability"]
        significant += list(table["verdict"] != "not supported")
        assert "velocity_sensitivity" not in adata.uns
        without = table["p_holm"] > 0.05
        assert table.loc[without, "reason"].str.startswith("No common direction detected").all()
    assert sum(significant) <= 1


def test_a_bare_reliability_does_what_its_parts_do(moving):
    parts = prepared()
    sv.tl.velocity_graph(parts)
    sv.tl.velocity_embedding(parts, basis="plane")
    sv.tl.direction(parts, basis="plane", groupby="clusters", n_controls=10)
    sv.tl.check_model(parts, "clusters", basis="plane")
    pd.testing.assert_frame_equal(
        parts.uns["velocity_direction_plane"], moving.uns["velocity_direction_plane"]
    )
    for name in ("velocity_model", "velocity_boost_p", "velocity_upper_cluster"):
        pd.testing.assert_series_equal(parts.var[name], moving.var[name])
    sv.tl.sensitivity(parts, "clusters", basis="plane")
    table = sv.get.sensitivity(parts)
    pd.testing.assert_frame_equal(table, moving.uns["velocity_sensitivity"])


def test_it_survives_a_file_and_a_new_fit_removes_it(moving, tmp_path):
    moving.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(
        back.uns["velocity_reliability"], moving.uns["velocity_reliability"], check_dtype=False
    )
    sv.tl.velocity(back, dense=False)
    left = [
        name
        for name in [*back.uns, *back.var, *back.varm]
        if any(part in name for part in ("reliab", "sensit", "boost", "model", "direction"))
    ]
    assert left == []


def test_sensitivity_changes_no_result_and_names_every_setting(moving):
    before = joblib.hash((moving.obs, moving.var, dict(moving.obsm)))
    sv.tl.sensitivity(moving, basis="plane")
    assert joblib.hash((moving.obs, moving.var, dict(moving.obsm))) == before
    table = sv.get.sensitivity(moving)
    assert list(table.index) == [
        "10 neighbours",
        "40 neighbours",
        "quantile 0.9",
        "quantile 0.99",
        "with an offset",
        "per-layer size factors",
    ]
    assert (table["all"] > 0.5).all()
    assert (table["all"] < 1).all()


def test_sensitivity_leaves_foreign_neighbours_alone(moving):
    moving.uns["neighbors"]["params"]["use_rep"] = "X_scvi"
    sv.tl.sensitivity(moving, basis="plane")
    table = sv.get.sensitivity(moving)
    assert not table.index.str.contains("neighbours").any()


@pytest.mark.parametrize("offset", [True, "nonnegative"])
def test_with_an_offset_both_ends_are_named(offset):
    adata = prepared(offset=offset, n_cells=400)
    sv.tl.check_model(adata, "clusters")
    var = adata.var.dropna(subset=["velocity_gamma"])
    assert (var["velocity_upper_share"] > 0).all()
    assert var["velocity_lower_share"].notna().mean() > 0.9
    assert adata.var["velocity_boost"].notna().any()


def integrated(time, switches, gamma=0.3, step=0.01):
    """u and s at some times, if the transcription rate changes to each level at its time."""
    grid = np.arange(0, time.max() + step, step)
    begin, level = np.array(switches).T
    alpha = level[np.searchsorted(begin, grid, side="right") - 1]
    u, s = alpha[0], alpha[0] / gamma
    made = np.empty((2, len(grid)))
    for i, rate in enumerate(alpha):
        made[:, i] = u, s
        u, s = u + step * (rate - u), s + step * (u - gamma * s)
    return made[:, np.searchsorted(grid, time)]


@pytest.fixture(scope="module")
def boosted_once():
    """Some genes are boosted shortly before the end; as many reach their new steady state."""
    rng = np.random.default_rng(0)
    adata = sv.datasets.simulate(n_cells=1500, n_genes=100, rng=0)
    time, library = (adata.obs[x].to_numpy() for x in ("true_time", "library_size"))
    counts = {name: adata.layers[name].toarray() for name in ("spliced", "unspliced")}
    end = time.max()
    for gene in range(20):
        at = end - 3.0 if gene < 10 else end / 2
        u, s = integrated(time, [(0.0, 0.3), (end / 4, 2.0), (at, 9.0)])
        counts["spliced"][:, gene] = rng.poisson(library * s)
        counts["unspliced"][:, gene] = rng.poisson(library * u)
    for name, values in counts.items():
        adata.layers[name] = values
    adata.obsm["X_plane"] = np.stack(
        [time, 10.0 * adata.obs["branch"].astype("category").cat.codes], axis=1
    ) + rng.normal(0, 0.3, (1500, 2))
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=15)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), dense=False)
    # clusters along the path
    part = np.minimum((6 * time / end).astype(int), 5)
    adata.obs["part"] = (
        adata.obs["branch"].astype(str) + " " + pd.Series(part, adata.obs_names).astype(str)
    )
    return adata


def test_boosted_genes_are_found_and_others_are_not(boosted_once):
    adata = boosted_once.copy()
    sv.tl.check_model(adata, "part", basis="plane")
    boost = adata.var["velocity_model"].astype(str).str.contains("boost").to_numpy()
    chosen = adata.var["velocity_genes"].to_numpy()
    assert boost[:10][chosen[:10]].mean() >= 0.7
    assert chosen[10:20].sum() >= 5
    assert not boost[10:20].any()
    # the fit is too steep by the part that is told
    excess = adata.var["velocity_boost"].to_numpy()
    true = 1 - 0.3 / adata.var["velocity_gamma"].to_numpy()
    np.testing.assert_allclose(excess[:10][chosen[:10]], true[:10][chosen[:10]], atol=0.2)
    assert adata.var.loc[~chosen, "velocity_boost"].isna().all()


def test_boosts_need_clusters_and_an_embedding(boosted_once):
    adata = boosted_once.copy()
    sv.tl.check_model(adata, "part", basis="plane")
    sv.tl.check_model(adata)
    assert "velocity_boost" not in adata.var
    with pytest.raises(KeyError, match="nowhere"):
        sv.tl.check_model(adata, "part", basis="nowhere")
    del adata.obsm["X_pca"], adata.obsm["X_plane"]
    sv.tl.check_model(adata, "part")
    assert "velocity_boost" not in adata.var
    assert "velocity_upper_cluster" in adata.var


def test_a_gene_of_one_cluster_or_few_molecules_is_named():
    rng = np.random.default_rng(0)
    adata = prepared(still=True, n_cells=1500)
    library = adata.obs["library_size"].to_numpy()
    counts = {name: adata.layers[name].toarray() for name in ("spliced", "unspliced")}
    only = (adata.obs["clusters"] == "tip 1").to_numpy()
    counts["spliced"][:, 0] = rng.poisson(library * np.where(only, 8.0, 0.05))
    counts["unspliced"][:, 0] = rng.poisson(library * np.where(only, 3.0, 0.02))
    counts["unspliced"][:, 1] = 0
    counts["unspliced"][rng.choice(1500, 6, replace=False), 1] = 1
    for name, values in counts.items():
        adata.layers[name] = values
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=15)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), dense=False)
    sv.tl.check_model(adata, "clusters", basis="plane")
    model = adata.var["velocity_model"].astype(str)
    assert "one cluster" in model.iloc[0]
    assert adata.var["velocity_upper_cluster"].iloc[0] == "tip 1"
    assert adata.var["velocity_upper_share"].iloc[0] > 0.9
    assert "few molecules" in model.iloc[1]
    assert model.str.contains("few molecules").sum() < 5
    assert not model.str.contains("boost").any()


def test_growth_of_a_cluster_is_found_and_told():
    """Unspliced counts of all genes are higher in one cluster, by a part of the spliced ones."""
    adata = prepared(still=True, n_cells=1500)
    sv.tl.reliability(adata, "clusters", basis="plane", n_controls=0, sensitivity=False)
    table = sv.get.verdicts(adata)
    assert table["growth"].abs().max() < 0.1
    assert sv.get.reliability_checks(adata).loc["growth", "verdict"] == "ok"
    inside = (adata.obs["clusters"] == "tip 1").to_numpy()[:, None]
    rate = np.where(inside, 0.15, 0.0) * adata.obs["library_size"].to_numpy()[:, None]
    more = np.random.default_rng(1).poisson(rate * np.asarray(adata.layers["true_spliced"]))
    adata.layers["unspliced"] = adata.layers["unspliced"].toarray() + more
    del adata.obs["n_counts_spliced"], adata.obs["n_counts_unspliced"]
    sv.pp.size_factors(adata, method="common")
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), dense=False)
    sv.tl.reliability(adata, "clusters", basis="plane", n_controls=0, sensitivity=False)
    table = sv.get.verdicts(adata)
    # relative to the mean of all clusters
    others = table["growth"].drop("tip 1").mean()
    gamma = adata.var.loc[adata.var["velocity_genes"], "velocity_gamma"].median()
    assert abs(table.loc["tip 1", "growth"] - others - 0.15 / gamma) < 0.05 / gamma
    assert table.loc["tip 1", "growth_z"] > 5
    check = sv.get.reliability_checks(adata).loc["growth"]
    assert check["verdict"] == "attention"
    assert check["value"] == 1
    assert "tip 1 (+0." in check["reason"]


def test_checks_of_the_model_say_what_they_mean():
    every = pd.Series(["holds"] * 70 + ["one cluster"] * 30)
    value, good, reason = _model(every)
    assert (value, good) == (0.7, True)
    assert reason.startswith(
        "70 of 100 velocity genes pass all model checks. 30 fail “one cluster”"
    )
    every[:21] = "boost; one cluster"
    _, good, reason = _model(every)
    assert not good
    assert "21 fail “boost”: their upper cells still gain spliced mRNA" in reason
    assert not _model(pd.Series(["few molecules"] * 6 + ["holds"] * 4))[1]


def test_the_smallest_change_turns_the_arrow_round(moving):
    support = sv.get.direction_support(moving, "root", basis="plane")
    genes = support.genes
    assert support.cluster == "root"
    np.testing.assert_allclose(genes["share"].sum(), 1, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(genes["change"]), support.standard_errors)
    # fitted again with the changed γ the sum along the arrow is gone
    key = moving.uns["velocity_direction_plane_genes"]
    rows = key[key["cluster"] == "root"].set_index("gene")
    left = 1 + (rows["share_per_gamma"] * rows["gamma_se"] * genes["change"]).sum()
    assert abs(left) < 1e-6
    gene = genes.index[0]
    alone = (
        1
        + rows.loc[gene, "share_per_gamma"]
        * rows.loc[gene, "gamma_se"]
        * (genes.loc[gene, "alone"])
    )
    assert abs(alone) < 1e-6
    with pytest.raises(KeyError, match="'nowhere'"):
        sv.get.direction_support(moving, "nowhere", basis="plane")


RETEST = "retest without the assumption of a steady state"
ONE = "It rests on one gene, Ins2."
SHARED = "Its 1,100 cells share a direction on umap (p = 1e-06)"
OTHER, SETTING = "common size factors", "15 neighbours (median cosine 0.10)"
SIZES = "it depends on how library sizes are corrected"


ROW = {
    "cells": 1100,
    "p_holm": 1e-6,
    "p_holm_low": 1e-8,
    "p_holm_high": 1e-4,
    "determined": 0.4,
    "control_significant": 0.02,
    "other_sizes_p_holm": 1e-4,
    "other_sizes_p_holm_low": 1e-5,
    "other_sizes_p_holm_high": 1e-3,
    "other_sizes_cosine": 0.9,
    "most_sensitive_to": "15 neighbours",
    "least_cosine": 0.95,
    "retest_t": 6.0,
    "retest_z": 4.0,
}


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({}, "supported", f"{SHARED}; 40% are also significant individually."),
        ({"p_holm": 0.0}, "supported", SHARED.replace("p = 1e-06", "p < 1e-300") + "; 40%"),
        ({"p_holm": 0.2}, "not supported", "No common direction detected among its 1,100 cells"),
        ({"p_holm": np.nan}, "not supported", "Not tested: too few of its 1,100 cells contribute."),
        ({"p_holm": np.nan, "cells": 1}, "not supported", "Not tested: it has only one cell."),
        (
            {"other_sizes_p_holm": 0.3},
            "weak",
            f"{SHARED}, but it is no longer significant with {OTHER} (p = 0.3): {SIZES}.",
        ),
        (
            {"other_sizes_p_holm": np.nan},
            "weak",
            f"{SHARED}, but it could not be tested with {OTHER}.",
        ),
        (
            {"other_sizes_cosine": -0.4},
            "weak",
            f"{SHARED}, but it changes by more than 60° with {OTHER}: {SIZES}.",
        ),
        (
            {"least_cosine": 0.1},
            "weak",
            f"{SHARED}, but its arrows change direction under another setting: {SETTING}.",
        ),
        ({"determined": 0.02}, "weak", f"{SHARED}, but only 2% are also significant individually."),
        ({"retest_t": 2.9, "retest_z": 2.5}, "supported", SHARED),
        ({"retest_t": 3.0, "retest_z": 2.4}, "supported", SHARED),
        (
            {"retest_t": 2.9, "retest_z": 2.4},
            "weak",
            f"{SHARED}, but a {RETEST} does not confirm it (t = 2.9, z = 2.4).",
        ),
        (
            {"retest_t": np.nan, "retest_z": np.nan},
            "weak",
            f"{SHARED}, but a {RETEST} does not confirm it.",
        ),
        (
            {"retest_z": -2.0},
            "contradicted",
            f"{SHARED}, but unspliced mRNA contradicts it: a {RETEST} finds the opposite",
        ),
        ({"retest_z": -2.0, "p_holm": 0.3}, "not supported", "No common direction detected"),
        (
            {"only_gene": "Ins2"},
            "supported",
            f"{SHARED}; 40% are also significant individually. {ONE}",
        ),
        (
            {"only_gene": "Ins2", "least_cosine": 0.1},
            "weak",
            f"{SHARED}, but its arrows change direction under another setting: {SETTING}. {ONE}",
        ),
        (
            {"control_significant": 0.5},
            "weak",
            f"{SHARED}, but this cluster is also significant in 50% of the sign-flipped controls.",
        ),
    ],
)
def test_every_doubt_has_its_sentence(change, verdict, reason):
    found, said = verdict_of(pd.Series({**ROW, **change}), "umap", OTHER)
    assert found == verdict
    assert said.startswith(reason)


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({}, ""),
        # without some of the numbers
        (dict.fromkeys([name for name in ROW if name.startswith("other_sizes")]), ""),
        ({"p_holm_low": None, "p_holm_high": None}, ""),
        ({"p_holm_high": 0.06}, "not supported"),
        ({"p_holm": 0.2, "p_holm_low": 0.06, "p_holm_high": 0.5}, ""),
        ({"p_holm": 0.2, "p_holm_low": 0.04, "p_holm_high": 0.5}, "supported"),
        ({"p_holm": 0.2, "p_holm_low": 0.04, "least_cosine": 0.1}, "weak"),
        ({"other_sizes_p_holm_high": 0.06}, "weak"),
        ({"other_sizes_p_holm": 0.2, "other_sizes_p_holm_low": 0.04}, "supported"),
        # another doubt remains
        (
            {"other_sizes_p_holm": 0.2, "other_sizes_p_holm_low": 0.04, "determined": 0.01},
            "",
        ),
        ({"retest_t": 3.1, "retest_z": 2.6}, "weak"),
        ({"retest_t": 3.1}, ""),
        ({"retest_t": 1.0, "retest_z": -1.9}, "contradicted"),
        ({"other_sizes_cosine": 0.55}, "weak"),
        ({"least_cosine": 0.55}, "weak"),
        ({"determined": 0.11}, "weak"),
        ({"control_significant": 0.14}, "weak"),
        ({"control_significant": 0.16}, "supported"),
        ({"p_holm": np.nan, "p_holm_low": np.nan, "p_holm_high": np.nan}, ""),
    ],
)
def test_a_verdict_that_rests_on_chance_is_borderline(change, other):
    row = {name: value for name, value in {**ROW, **change}.items() if value is not None}
    table = pd.DataFrame([row], index=["Beta"])
    judge(table, "umap", OTHER)
    assert table["borderline"].dtype == bool
    assert table["borderline"].iloc[0] == bool(other)
    said = table["reason"].iloc[0]
    if other:
        ending = (
            f"Borderline: with other folds, or with nine tenths of the cells, it may be {other}."
        )
        assert said.endswith(ending)
    else:
        assert "Borderline" not in said


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("common", "Arrows are with per-layer size factors, which assume that the share of all"),
        ("per_layer", "Arrows are with common size factors, which assume that both layers are"),
    ],
)
def test_size_factors_are_named_with_what_they_assume(other, said):
    table = pd.DataFrame(
        {
            "p_holm": [0.001, 0.001, 0.001, 0.2],
            "other_sizes_p_holm": [0.01, 0.2, 0.01, 0.01],
            "other_sizes_cosine": [0.9, 0.9, 0.3, 0.9],
        }
    )
    value, good, reason = _sizes(table, other)
    assert value == 1 / 3
    assert not good
    assert reason.startswith(said)
    assert reason.endswith("1 of 3 significant clusters keep their direction.")
    assert _sizes(table[:1], other)[:2] == (1.0, True)


def test_the_check_of_size_factors_needs_the_other_ones(moving):
    checks = moving.uns["velocity_reliability_checks"]
    # the fit has common size factors
    assert "with common size factors" in checks.loc["size factors", "reason"]
    sv.tl.reliability(moving, "clusters", basis="plane", n_controls=0, sensitivity=False)
    assert "size factors" not in moving.uns["velocity_reliability_checks"].index


def test_what_cannot_be_judged_is_refused(moving):
    with pytest.raises(KeyError, match="nothing"):
        sv.tl.reliability(moving, "nothing", basis="plane")
    with pytest.raises(KeyError, match="umap"):
        sv.tl.reliability(moving, "clusters", basis="umap")
    sv.tl.velocity(moving, uncertainty="sandwich", dense=False)
    with pytest.raises(ValueError, match="crossfit"):
        sv.tl.reliability(moving, "clusters", basis="plane")


def test_awkward_clusters_are_judged():
    adata = prepared(n_cells=300)
    labels = adata.obs["branch"].astype(str).to_numpy().copy()
    labels[labels == "branch 2"] = "all"
    labels[:5], labels[5:9] = "alone", "zz flagged"
    adata.obs["mine"] = labels
    adata.obs.loc[adata.obs_names[9:30], "mine"] = None
    adata.obs["cells_used"] = labels != "zz flagged"
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1), dense=False)
    sv.tl.reliability(adata, "mine", basis="plane", n_controls=3)
    table = adata.uns["velocity_reliability"]
    assert set(table.index) == {"trunk", "branch 1", "all", "alone"}
    assert adata.uns["velocity_reliability_checks"]["reason"].notna().all()
    adata.obs["none"] = pd.Series([None] * 300, index=adata.obs_names, dtype=object)
    with pytest.raises(ValueError, match="no value for any used cell"):
        sv.tl.reliability(adata, "none", basis="plane")
    adata.obs["one"] = "only"
    sv.tl.check_model(adata, "one")
    assert not adata.var["velocity_model"].astype(str).str.contains("one cluster").any()
    sv.tl.reliability(adata, "one", basis="plane", n_controls=0, sensitivity=False)
    assert "growth" not in sv.get.reliability_checks(adata).index
    assert sv.get.verdicts(adata)["growth"].isna().all()
    # a fit without errors has no effective molecules
    sv.tl.velocity(adata, dense=False)
    sv.tl.check_model(adata)
    assert "velocity_upper_cluster" not in adata.var
    assert set(adata.var["velocity_model"].astype(str)) <= {"", "holds"}


@pytest.mark.parametrize("shape", ["cells", "cells and genes"])
def test_weights_that_were_given_are_used_again(shape):
    adata = prepared(n_cells=300)
    rng = np.random.default_rng(0)
    weights = rng.random(300 if shape == "cells" else adata.shape)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1), dense=False, weights=weights)
    sv.tl.reliability(adata, "branch", basis="plane", n_controls=0)
    assert not adata.uns["velocity_sensitivity"].index.str.contains("quantile").any()
    assert "nan" not in " ".join(adata.uns["velocity_reliability_checks"]["reason"])


def test_the_other_size_factors_keep_sizes_and_flagged_cells():
    adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    adata.obs["size"] = np.random.default_rng(0).uniform(1, 3, 300)
    sv.pp.size_factors(adata, method="common", spliced_size="size", unspliced_size="size")
    adata.obs["cells_used"] = np.arange(300) >= 40
    sv.pp.neighbors(adata, n_neighbors=15, n_pcs=10)
    sv.tl.velocity(adata, dense=False)
    variant = Variant(other_sizes=True)
    other = fit_variant(Fit.read(adata, "velocity"), variant, "pca", Limits(None, 1)).adata
    assert other.uns["size_factor_params"]["method"] == "per_layer"
    np.testing.assert_array_equal(other.obs["cells_used"], adata.obs["cells_used"])
    size = adata.obs["size"].to_numpy()
    np.testing.assert_allclose(other.obs["size_factor_spliced"], size / np.median(size))
    assert adata.uns["size_factor_params"]["method"] == "common"


def test_a_choice_without_genes_is_no_turn():
    table = pd.DataFrame(index=["a", "b"])
    variants = pd.DataFrame(
        {"all": [np.nan, 0.8], "a": [np.nan, 0.9], "b": [np.nan, np.nan]}, index=["few", "k"]
    )
    _with_variants(table, variants)
    assert list(table["most_sensitive_to"]) == ["k", ""]
    assert table["least_cosine"].iloc[0] == 0.9
    assert np.isnan(table["least_cosine"].iloc[1])
