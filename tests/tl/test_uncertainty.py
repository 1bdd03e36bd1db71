"""Errors of ratios as a user asks for them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo import _keys
from steadyvelo._adata._fit_params import ErrorChoice, FitOptions
from steadyvelo._adata._inputs import Inputs
from steadyvelo.engine import FitResult
from steadyvelo.model import RatioErrors
from steadyvelo.pp._neighbors import principal_components
from steadyvelo.tl._fit_results import gene_columns
from steadyvelo.tl._fold_neighbors import _fold_expression, _least_scale

COLUMNS = [
    "velocity_gamma_se",
    "velocity_gamma_low",
    "velocity_gamma_high",
    "velocity_gamma_molecules",
    "velocity_effective_cells",
    "velocity_offset_p",
    "velocity_offset_fdr",
]


def simulated(rng=0, n_cells=400, n_genes=60, **options):
    adata = sv.datasets.simulate(n_cells=n_cells, n_genes=n_genes, rng=rng, **options)
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=15, n_pcs=10)
    return adata


@pytest.fixture(scope="module")
def prepared_once():
    return simulated()


@pytest.fixture
def prepared(prepared_once):
    return prepared_once.copy()


@pytest.mark.parametrize("uncertainty", ["sandwich", sv.CrossFit(n_repeats=2)])
@pytest.mark.parametrize("offset", [False, True, "nonnegative"])
@pytest.mark.parametrize("weights", ["extremes", "maxmin_diag", "prod", "all"])
def test_every_rule_has_intervals_around_its_ratio(prepared, uncertainty, offset, weights):
    sv.tl.velocity(prepared, uncertainty=uncertainty, offset=offset, weights=weights, dense=False)
    var = prepared.var.dropna(subset=["velocity_gamma"])
    assert len(var) > 50
    low, high = var["velocity_gamma_low"], var["velocity_gamma_high"]
    assert ((low <= var["velocity_gamma"]) & (var["velocity_gamma"] <= high)).mean() > 0.99
    few = var["velocity_gamma_molecules"] < 10
    np.testing.assert_array_equal(var["velocity_gamma_se"].isna(), few)
    assert (var["velocity_gamma_se"].dropna() > 0).all()
    assert (var["velocity_effective_cells"] > 1).all()
    tested = var["velocity_offset_p"].notna()
    assert (var["velocity_offset_fdr"] >= var["velocity_offset_p"])[tested].all()


def test_the_sandwich_leaves_the_fit_as_it_is(prepared):
    sv.tl.velocity(prepared)
    plain = prepared.copy()
    sv.tl.velocity(prepared, uncertainty="sandwich")
    for column in ("velocity_gamma", "velocity_offset", "velocity_r2", "velocity_genes"):
        np.testing.assert_array_equal(prepared.var[column], plain.var[column])
    np.testing.assert_array_equal(prepared.layers["velocity"], plain.layers["velocity"])


def test_velocities_follow_the_cross_fitted_ratio(prepared):
    sv.tl.velocity(prepared, uncertainty=sv.CrossFit(n_repeats=2), offset=True)
    ms, mu = prepared.layers["Ms"], prepared.layers["Mu"]
    gamma, offset = prepared.var["velocity_gamma"], prepared.var["velocity_offset"]
    expected = mu - gamma.to_numpy() * ms - offset.to_numpy()
    np.testing.assert_allclose(prepared.layers["velocity"], expected, rtol=1e-3, atol=1e-4)
    sv.tl.velocity_graph(prepared)
    assert prepared.obsp["velocity_graph"].nnz > 0


def test_which_genes_are_velocity_genes_does_not_depend_on_folds(prepared):
    plain = prepared.copy()
    sv.tl.velocity(plain)
    # the threshold lies between the ratios of two genes, within the noise of the folds
    ratios = np.sort(plain.var["velocity_gamma"])
    least = ratios[30:32].mean()
    sv.tl.velocity(plain, min_gamma=least)
    across = 0
    for seed in range(4):
        errors = sv.CrossFit(n_repeats=1)
        sv.tl.velocity(prepared, min_gamma=least, uncertainty=errors, rng=seed)
        for column in ("velocity_genes", "velocity_gamma_passes"):
            np.testing.assert_array_equal(prepared.var[column], plain.var[column])
        np.testing.assert_array_equal(prepared.var["velocity_r2"], plain.var["velocity_r2"])
        across += (
            (prepared.var["velocity_gamma"] > least) != plain.var["velocity_gamma_passes"]
        ).sum()
    assert across > 0


def test_a_ratio_of_zero_in_the_cross_fit_is_no_velocity(prepared):
    fit = np.full(prepared.n_vars, 0.5)
    columns = ["gamma", "offset", "ordinary_gamma", "r2", "spliced_max", "unspliced_max"]
    values = dict.fromkeys(columns, fit)
    values["gamma"] = np.where(np.arange(prepared.n_vars) == 0, -0.1, 0.5)
    text = np.full(prepared.n_vars, "", dtype=object)
    errors = RatioErrors.missing(prepared.n_vars)
    result = FitResult(
        **values,
        reason=text,
        n_cells=np.ones(prepared.n_vars, dtype=int),
        errors=errors,
        refitted=np.zeros(prepared.n_vars, dtype=bool),
        offset2=np.full(prepared.n_vars, np.nan),
        at_bound=np.zeros(prepared.n_vars, dtype=bool),
    )
    genes = np.arange(prepared.n_vars)
    options = FitOptions(weights="extremes", quantiles=(None, 0.95))
    found = gene_columns(prepared, genes, result, text, options)
    passes = found[_keys.GAMMA_PASSES]
    assert not passes[0]
    assert passes[1:].all()


def test_folds_follow_their_seed(prepared):
    found = []
    for rng in (0, 0, 1):
        sv.tl.velocity(prepared, uncertainty=sv.CrossFit(n_repeats=1), rng=rng, dense=False)
        found.append(prepared.var["velocity_gamma"].to_numpy().copy())
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    assert prepared.uns["velocity_params"]["rng"] == 1


def test_what_an_earlier_fit_wrote_does_not_stay(prepared):
    sv.tl.velocity(prepared, uncertainty="sandwich", dense=False)
    assert set(COLUMNS) <= set(prepared.var)
    assert prepared.uns["velocity_params"]["uncertainty"] == "sandwich"
    sv.tl.velocity(prepared, dense=False)
    assert not set(COLUMNS) & set(prepared.var)
    assert "uncertainty" not in prepared.uns["velocity_params"]


def test_results_survive_a_file(prepared, tmp_path):
    sv.tl.velocity(prepared, uncertainty=sv.CrossFit(n_repeats=1), sample_key="branch", dense=False)
    prepared.write_h5ad(tmp_path / "x.h5ad")
    again = ad.read_h5ad(tmp_path / "x.h5ad")
    for column in COLUMNS:
        np.testing.assert_array_equal(again.var[column], prepared.var[column])
    sv.tl.velocity_graph(again)


def test_own_smoothed_layers_are_no_hindrance(prepared):
    lean = prepared.copy()
    sv.tl.velocity(lean, uncertainty="sandwich", dense=False)
    sv.pp.moments(prepared)
    sv.tl.velocity(prepared, uncertainty="sandwich")
    for column in ("velocity_gamma", *COLUMNS):
        np.testing.assert_array_equal(prepared.var[column], lean.var[column])


def test_smoothed_layers_of_another_tool_are_refused(prepared):
    sv.pp.moments(prepared)
    del prepared.uns["moments_params"]
    before = set(prepared.var)
    with pytest.raises(ValueError, match="errors need the counts"):
        sv.tl.velocity(prepared, uncertainty="sandwich")
    assert set(prepared.var) == before


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"uncertainty": "bootstrap"}, ValueError, "it is 'bootstrap'"),
        ({"sample_key": "donor"}, KeyError, r"sample_key='donor' is not a column of adata.obs"),
        ({"sample_key": "one"}, ValueError, "has one sample only"),
        ({"sample_key": "unknown"}, ValueError, "has no sample for 3 cells"),
        (
            {"uncertainty": sv.CrossFit(gene_clusters="module")},
            KeyError,
            "gene_clusters='mod",
        ),
        ({"uncertainty": sv.CrossFit(gene_clusters="same")}, ValueError, "has one cluster"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(prepared, options, error, match):
    prepared.obs["one"] = "a"
    prepared.obs["unknown"] = prepared.obs["branch"].astype(object)
    prepared.obs.iloc[:3, prepared.obs.columns.get_loc("unknown")] = None
    prepared.var["same"] = "a"
    before = set(prepared.var), set(prepared.uns)
    with pytest.raises(error, match=match):
        sv.tl.velocity(prepared, **{"uncertainty": "crossfit", **options})
    assert (set(prepared.var), set(prepared.uns)) == before


def test_neighbours_of_an_external_representation_serve_all_genes(prepared, monkeypatch):
    rng = np.random.default_rng(0)
    prepared.obsm["X_scvi"] = prepared.obsm["X_pca"] + 0.01 * rng.random(
        prepared.obsm["X_pca"].shape
    )
    sv.pp.neighbors(prepared, n_neighbors=15, use_rep="X_scvi")

    def fail(*_, **__):
        pytest.fail("neighbours were looked for among the counts")

    monkeypatch.setattr("steadyvelo.tl._fold_neighbors.nearest_neighbors", fail)
    sv.tl.velocity(prepared, uncertainty="crossfit", dense=False)
    assert prepared.var["velocity_gamma_se"].notna().any()


def test_gene_clusters_stay_in_one_fold(prepared):
    from steadyvelo.tl._folds import _gene_halves  # noqa: PLC0415

    clusters = np.repeat(["a", "b", "c", "d", "e"], [20, 15, 10, 10, 5])
    prepared.var["module"] = clusters
    sizes, made = [], set()
    for seed in range(20):
        choice = ErrorChoice(method="crossfit", gene_clusters="module", rng=seed)
        fold = _gene_halves(Inputs(prepared), choice, 0)
        assert all(len(set(fold[clusters == c])) == 1 for c in set(clusters))
        sizes.append(fold.sum())
        made.add(tuple(fold))
    assert 20 <= min(sizes) <= max(sizes) <= 40
    assert len(made) > 2
    prepared.var["module"] = np.where(clusters == "a", None, clusters)
    fold = _gene_halves(Inputs(prepared), choice, 0)
    assert 0 < fold[clusters == "a"].sum() < 20


def test_flagged_cells_change_nothing(prepared):
    prepared.obs["cells_used"] = np.arange(prepared.n_obs) % 10 != 0
    sv.tl.velocity(prepared, uncertainty=sv.CrossFit(n_repeats=1), dense=False)
    expected = prepared.var["velocity_gamma"].to_numpy()
    # counts of cells that are not used: neither instruments nor neighbours of used cells see them
    assert np.isfinite(expected).all()


def covered(adata):
    var, enough = adata.var, adata.var["velocity_gamma_molecules"] >= 20
    inside = (var["velocity_gamma_low"] <= var["true_gamma"]) & (
        var["true_gamma"] <= var["velocity_gamma_high"]
    )
    return inside[enough]


@pytest.mark.slow
@pytest.mark.parametrize("dispersion", [0.0, 0.5])
def test_intervals_cover_the_ratio_of_cells_at_steady_state(dispersion):
    inside = {"crossfit": [], "sandwich": []}
    for seed in range(6):
        adata = simulated(
            seed,
            1500,
            150,
            depth=0.5,
            dispersion=dispersion,
            steady_state=True,
            library_size_sd=0.5,
        )
        for method, found in inside.items():
            sv.tl.velocity(adata, uncertainty=method, dense=False)
            found.append(covered(adata))
    rates = {method: np.concatenate(found).mean() for method, found in inside.items()}
    n = sum(map(len, inside["crossfit"]))
    # three standard errors, doubled for what genes of one data set share
    assert abs(rates["crossfit"] - 0.955) < 0.015 + 6 * np.sqrt(0.05 * 0.95 / n)
    assert rates["sandwich"] < rates["crossfit"]


def test_the_test_of_an_offset_holds_its_level_and_sees_one():
    """Of a fit to the upper cells: from cells at both ends, and by cross-fitting alone."""
    none, some = [], []
    for seed in range(4):
        adata = simulated(seed, 1000, 80, steady_state=True, library_size_sd=0.5)
        sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), dense=False)
        enough = adata.var["velocity_gamma_molecules"] >= 20
        none.append(adata.var.loc[enough, "velocity_offset_p"] < 0.05)
        level = np.asarray(adata.layers["true_spliced"])
        shift = 0.2 * adata.var["true_gamma"].to_numpy() * np.quantile(level, 0.97, axis=0)
        mean = adata.layers["true_unspliced"] + shift
        library = adata.obs["library_size"].to_numpy()[:, None]
        adata.layers["unspliced"] = np.random.default_rng(seed).poisson(library * mean)
        sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), dense=False)
        some.append(adata.var.loc[enough, "velocity_offset_p"] < 0.05)
    none, some = np.concatenate(none), np.concatenate(some)
    assert none.mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(none)) + 0.02
    assert some.mean() > 0.5
    sv.tl.velocity(adata, uncertainty="sandwich", dense=False)
    assert adata.var["velocity_offset_p"].isna().all()
    sv.tl.velocity(adata, uncertainty="sandwich", dense=False, offset=True)
    assert adata.var["velocity_offset_p"].notna().any()


def expression_of(counts, genes):
    return _fold_expression(counts, genes, np.asarray(counts.sum(axis=0), dtype=float).ravel())


def test_neighbours_of_a_fold_do_not_see_the_other_genes(prepared):
    genes = np.arange(prepared.n_vars) % 2 == 0
    before = expression_of(prepared.layers["spliced"], genes).matrix().toarray()
    changed = prepared.copy()
    counts = changed.layers["spliced"].tolil()
    # a burst in a gene of the other fold makes its cell look larger
    counts[:40, 1] = 400
    changed.layers["spliced"] = counts.tocsr()
    del changed.obs["n_counts_spliced"]
    sv.pp.size_factors(changed)
    after = expression_of(changed.layers["spliced"], genes).matrix().toarray()
    np.testing.assert_array_equal(after, before)
    both = [principal_components(data, "spliced", genes, 5, 0) for data in (prepared, changed)]
    assert abs(both[0].of_cells - both[1].of_cells).max() > 0.01


def test_no_gene_has_a_large_part_in_the_expression_of_a_fold(prepared):
    def expression():
        values = expression_of(counts, every)
        deviations = values.matrix().toarray().std(axis=0)
        return values.scaled(_least_scale(deviations)).matrix().toarray()

    counts = prepared.layers["spliced"].toarray()
    every = np.ones(prepared.n_vars, dtype=bool)
    before = expression()
    assert before.std(axis=0).max() <= 0.3 + 1e-5
    # a gene with a burst in some cells hardly changes the library sizes by which others are divided
    counts[:40, 1] = 4000
    after = expression()
    others = np.arange(prepared.n_vars) != 1
    assert after.std(axis=0).max() <= 0.3 + 1e-5
    assert abs(after - before)[:, others].max() < 0.5
    assert abs(np.log(counts[:40].sum(axis=1) / counts[40:].sum(axis=1).mean())).min() > 1
