"""Stochastic fits as a user calls them: numbers, what is written, what follows, what is refused."""

from __future__ import annotations

import tracemalloc

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo.engine import fit_ratios

STOCHASTIC = {"mode": "stochastic"}
LINES = sv.Stochastic(moments="exact", fit_offset=True, fit_offset2=True)


def dense_moments(adata, *, exact):
    """First and second moments of all cells, dense and in float64."""
    graph = adata.obsp["connectivities"].toarray() > 0
    w = graph + np.eye(adata.n_obs)
    w /= w.sum(axis=1, keepdims=True)
    s, u = (
        adata.layers[name].toarray() / adata.obs[f"size_factor_{name}"].to_numpy()[:, None]
        for name in ("spliced", "unspliced")
    )
    d = 1 / adata.obs["size_factor_spliced"].to_numpy()[:, None] if exact else 1.0
    return w @ s, w @ u, w @ (s * (2 * s - d)), w @ (u * (2 * s + d))


def beyond(x, low, high):
    marked = x >= np.percentile(x, high, axis=0)
    return marked if low is None else marked | (x <= np.percentile(x, low, axis=0))


def ordinary_line(ms, mu, *, offset):
    """Scvelo's fit: the line with an offset, or through the origin if that is negative."""
    z = ms / ms.max(axis=0) + mu / mu.max(axis=0)
    m = beyond(z, 5 if offset else None, 95)
    origin = (m * ms * mu).sum(axis=0) / (m * ms * ms).sum(axis=0)
    if not offset:
        return origin
    n = m.sum(axis=0)
    s, u = ((m * x).sum(axis=0) / n for x in (ms, mu))
    slope = (m * (ms - s) * (mu - u)).sum(axis=0) / (m * (ms - s) ** 2).sum(axis=0)
    return np.where(u - slope * s >= 0, slope, origin)


def by_hand(adata, cells, *, exact, offset, fit_offset, fit_offset2):
    """γ, o and o₂ of all genes: the minimum over both lines by normal equations."""
    ms, mu, a, b = (x[cells] for x in dense_moments(adata, exact=exact))
    z = ms / ms.max(axis=0) + mu / mu.max(axis=0)
    low = 5 if fit_offset else None
    m = beyond(z, low, 95) | beyond(ms, low, 95)
    w = 1 / (mu - ordinary_line(ms, mu, offset=offset) * ms).std(axis=0)
    own = (a * b).sum(axis=0) / (a * a).sum(axis=0)
    if fit_offset2:
        away = a - a.mean(axis=0)
        slope = (away * b).sum(axis=0) / (away**2).sum(axis=0)
        own = np.where(b.mean(axis=0) >= slope * a.mean(axis=0), slope, own)
    w2 = 1 / (b - own * a).std(axis=0)
    found = np.zeros((3, ms.shape[1]))
    for g in range(ms.shape[1]):
        n, chosen = len(ms), m[:, g]
        # only cells of the fit count for the offset
        one = np.r_[chosen * w[g], np.zeros(n)]
        two = np.r_[np.zeros(n), np.full(n, w2[g])]
        slope = np.r_[chosen * ms[:, g] * w[g], a[:, g] * w2[g]]
        columns = [slope] + [one] * fit_offset + [two] * fit_offset2
        x, y = np.stack(columns, axis=1), np.r_[chosen * mu[:, g] * w[g], b[:, g] * w2[g]]
        solved = np.linalg.solve(x.T @ x, x.T @ y)
        fitted = np.array([True, fit_offset, fit_offset2])
        found[fitted, g] = solved
    return found


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("groups", [None, ["branch 1", "trunk"]])
@pytest.mark.parametrize(
    ("fit_offset", "fit_offset2"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_ratios_and_offsets_are_those_of_the_formulas(
    prepared, exact, groups, fit_offset, fit_offset2
):
    lines = {"fit_offset": fit_offset, "fit_offset2": fit_offset2}
    offset = "nonnegative" if fit_offset else False
    mode = sv.Stochastic(moments="exact" if exact else "scvelo", **lines)
    groupby = None if groups is None else "branch"
    sv.tl.velocity(prepared, mode=mode, offset=offset, groups=groups, groupby=groupby)
    cells = np.ones(prepared.n_obs, dtype=bool)
    if groups is not None:
        cells = prepared.obs["branch"].isin(groups).to_numpy()
    expected = by_hand(prepared, cells, exact=exact, offset=fit_offset, **lines)
    var = prepared.var[prepared.var["velocity_refitted"]]
    assert len(var) > 10
    places = prepared.var_names.get_indexer(var.index)
    gamma, o, o2 = expected[:, places]
    np.testing.assert_allclose(var["velocity_gamma"], gamma, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(var["velocity_offset"], o, rtol=1e-4, atol=1e-5)
    assert ("velocity_offset2" in var) == fit_offset2
    if fit_offset2:
        np.testing.assert_allclose(var["velocity_offset2"], o2, rtol=1e-4, atol=1e-4)
    velocity = prepared.layers["velocity"][:, places]
    ms, mu, *_ = dense_moments(prepared, exact=exact)
    np.testing.assert_allclose(velocity, mu[:, places] - gamma * ms[:, places] - o, atol=1e-4)


def test_velocity_genes_and_r2_are_those_of_the_deterministic_fit(prepared):
    plain = prepared.copy()
    sv.tl.velocity(plain, min_r2=0.3)
    sv.tl.velocity(prepared, min_r2=0.3, **STOCHASTIC)
    for name in ("velocity_r2", "velocity_genes", "velocity_reason"):
        np.testing.assert_array_equal(prepared.var[name], plain.var[name])
    again = prepared.var["velocity_refitted"].to_numpy()
    np.testing.assert_array_equal(again, plain.var["velocity_genes"])
    assert 0 < again.sum() < len(again)
    differs = prepared.var["velocity_gamma"].to_numpy() != plain.var["velocity_gamma"].to_numpy()
    np.testing.assert_array_equal(differs, again)
    more = prepared.var["velocity_fit_cells"] > plain.var["velocity_fit_cells"]
    assert more[again].any()
    assert not more[~again].any()


def test_highly_variable_genes_alone_are_fitted_again_if_they_must_be(prepared):
    prepared.var["highly_variable"] = np.arange(60) < 30
    sv.tl.velocity(prepared, highly_variable=True, **STOCHASTIC)
    assert prepared.var["velocity_refitted"][:30].any()
    assert not prepared.var["velocity_refitted"][30:].any()


def test_genes_that_are_not_used_are_not_fitted_again(prepared):
    prepared.var["genes_used"] = np.arange(60) % 3 > 0
    for dense in (True, False):
        sv.tl.velocity(prepared, dense=dense, **STOCHASTIC)
        for name in ("Ms", "Mu", "velocity"):
            prepared.layers.pop(name, None)
        used = prepared.var["genes_used"].to_numpy()
        assert not prepared.var["velocity_refitted"][~used].any()
        assert prepared.var["velocity_refitted"][used].any()


@pytest.mark.filterwarnings("ignore:0 of 60 genes meet")
def test_without_velocity_genes_all_genes_are_fitted_again(prepared):
    seen = []
    sv.tl.velocity(prepared, min_r2=0.9999, progress=seen.append, **STOCHASTIC)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert prepared.var["velocity_refitted"].all()
    cells = np.ones(prepared.n_obs, dtype=bool)
    lines = {"offset": False, "fit_offset": False, "fit_offset2": False}
    expected = by_hand(prepared, cells, exact=False, **lines)
    np.testing.assert_allclose(prepared.var["velocity_gamma"], expected[0], rtol=1e-5)
    assert not prepared.var["velocity_genes"].any()


def simulated_steady_state(seed, *, n_cells=1500, n_genes=60, spread=0.6):
    """Poisson counts of cells at steady state on a line, with library sizes that differ.

    Returns counts with size factors and neighbours of the noiseless states, and true ratios.
    """
    states, ratios, sizes, noise = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)
    )
    time = np.sort(states.random(n_cells))
    peak = states.random(n_genes)
    level = 2 * np.exp(-((time[:, None] - peak) ** 2) / 0.1) + 0.1
    gamma = np.exp(ratios.normal(np.log(0.3), 0.3, n_genes))
    size = np.exp(sizes.normal(0, spread, n_cells))
    size /= np.median(size)
    layers = {
        name: sp.csr_matrix(noise.poisson(size[:, None] * mean).astype(np.float64))
        for name, mean in (("spliced", level), ("unspliced", gamma * level))
    }
    adata = ad.AnnData(layers["spliced"].copy(), layers=layers)
    for name in layers:
        adata.obs[f"size_factor_{name}"] = size
    # so many that the noise of smoothed values does not attenuate slopes
    near = np.abs(np.arange(n_cells)[:, None] - np.arange(n_cells)) <= 100
    graph = sp.csr_matrix(near & ~np.eye(n_cells, dtype=bool), dtype=float)
    assert connected_components(graph)[0] == 1
    adata.obsp["connectivities"] = adata.obsp["distances"] = graph
    entry = {"connectivities_key": "connectivities", "distances_key": "distances", "params": {}}
    adata.uns["neighbors"] = entry
    return adata, gamma


def test_exact_second_moments_are_unbiased_where_sizes_differ_and_scvelos_are_not():
    errors = {"scvelo": [], "exact": []}
    for seed in range(5):
        adata, gamma = simulated_steady_state(seed)
        for moments, found in errors.items():
            sv.tl.velocity(adata, mode=sv.Stochastic(moments=moments), dense=False)
            again = adata.var["velocity_refitted"].to_numpy()
            found.append((adata.var["velocity_gamma"].to_numpy() / gamma - 1)[again])
    mean = {name: np.mean(np.concatenate(found)) for name, found in errors.items()}
    # noise of smoothed values attenuates the slope by about 1 %
    assert abs(mean["exact"]) < 0.02, mean
    assert mean["scvelo"] < -0.05, mean


def test_intervals_of_the_sandwich_hold_the_ratio_of_exact_moments():
    held, scaled = [], []
    for seed in range(5):
        adata, gamma = simulated_steady_state(seed)
        exact = sv.Stochastic(moments="exact")
        sv.tl.velocity(adata, mode=exact, uncertainty="sandwich", dense=False)
        var = adata.var[adata.var["velocity_refitted"]]
        truth = gamma[adata.var_names.get_indexer(var.index)]
        held.append((var["velocity_gamma_low"] < truth) & (truth < var["velocity_gamma_high"]))
        scaled.append((var["velocity_gamma"] - truth) / var["velocity_gamma_se"])
        assert var["velocity_offset_p"].isna().all()
    # the neighbours are known here: only the extreme cells depend on the counts
    assert np.mean(np.concatenate(held)) > 0.93
    assert 0.7 < np.std(np.concatenate(scaled)) < 1.1


@pytest.mark.parametrize("sample_key", [None, "branch"])
def test_errors_of_other_genes_are_those_of_the_deterministic_fit(prepared, sample_key):
    plain = prepared.copy()
    given = {"uncertainty": "sandwich", "sample_key": sample_key, "min_r2": 0.3}
    sv.tl.velocity(plain, **given)
    sv.tl.velocity(prepared, **given, **STOCHASTIC)
    again = prepared.var["velocity_refitted"].to_numpy()
    for name in ("gamma_se", "gamma_low", "gamma_high", "effective_cells"):
        column = f"velocity_{name}"
        np.testing.assert_array_equal(prepared.var[column][~again], plain.var[column][~again])
    assert (prepared.var["velocity_gamma_se"][again] != plain.var["velocity_gamma_se"][again]).all()
    se = sv.get.velocity_se(prepared, cells=prepared.obs_names[:3])
    known = again & prepared.var["velocity_gamma_se"].notna().to_numpy()
    assert known.any()
    assert np.isfinite(se.loc[:, known]).all(axis=None)


def test_the_graph_takes_square_roots_unless_it_is_told_not_to(prepared):
    plain = prepared.copy()
    sv.tl.velocity(plain)
    sv.tl.velocity_graph(plain)
    assert not plain.uns["velocity_params"]["sqrt_transform"]
    sv.tl.velocity(prepared, **STOCHASTIC)
    graphs = []
    for given, root in ((None, True), (True, True), (False, False)):
        sv.tl.velocity_graph(prepared, sqrt_transform=given)
        assert prepared.uns["velocity_params"]["sqrt_transform"] == root
        graphs.append(prepared.obsp["velocity_graph"].copy())
    assert abs(graphs[0] - graphs[1]).nnz == 0
    assert abs(graphs[0] - graphs[2]).max() > 0.01


def test_everything_is_recorded_and_survives_a_file(prepared, tmp_path):
    sv.tl.velocity(prepared, mode=LINES, uncertainty="sandwich")
    params = prepared.uns["velocity_params"]
    assert params["mode"] == "stochastic"
    assert (params["second_moments"], params["fit_offset"]) == ("exact", True)
    # how first moments came about has another entry
    assert params["moments"] == "counts"
    prepared.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    assert Fit.read(back, "velocity").options.stochastic == LINES
    sv.tl.velocity_graph(back)
    assert back.uns["velocity_params"]["sqrt_transform"]
    np.testing.assert_array_equal(sv.get.velocity(back), sv.get.velocity(prepared))


def test_a_deterministic_fit_leaves_nothing_of_a_stochastic_one(prepared):
    sv.tl.velocity(prepared, mode=LINES)
    assert {"velocity_refitted", "velocity_offset2"} <= set(prepared.var)
    sv.tl.velocity(prepared)
    assert not {"velocity_refitted", "velocity_offset2"} & set(prepared.var)
    assert prepared.uns["velocity_params"]["mode"] == "deterministic"
    assert "fit_offset" not in prepared.uns["velocity_params"]
    assert Fit.read(prepared, "velocity").options.stochastic is None


def test_counts_that_have_changed_are_noticed(prepared):
    sv.tl.velocity(prepared, dense=False, **STOCHASTIC)
    prepared.layers["unspliced"] = prepared.layers["unspliced"] * 2
    with pytest.raises(ValueError, match="layer 'unspliced' has changed"):
        sv.tl.velocity_graph(prepared)


def test_own_smoothed_layers_are_no_hindrance_and_those_of_other_tools_are_refused(prepared):
    lean = prepared.copy()
    sv.tl.velocity(lean, dense=False, **STOCHASTIC)
    sv.pp.moments(prepared)
    sv.tl.velocity(prepared, **STOCHASTIC)
    np.testing.assert_array_equal(prepared.var["velocity_gamma"], lean.var["velocity_gamma"])
    del prepared.uns["moments_params"]
    before = prepared.var.copy()
    with pytest.raises(ValueError, match=r"second moments need the counts.*mode='deterministic'"):
        sv.tl.velocity(prepared, **STOCHASTIC)
    pd.testing.assert_frame_equal(prepared.var, before)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"uncertainty": "crossfit"}, "uncertainty='crossfit' cannot be combined.*sandwich"),
        ({"uncertainty": sv.CrossFit(n_repeats=1)}, "second moments are over all cells"),
        ({"offset": True}, r"offset=True is that of the deterministic fit.*fit_offset=True"),
        ({"offset": "nonnegative"}, r"offset='nonnegative'.*--fit-offset"),
    ],
)
@pytest.mark.parametrize("call", ["velocity", "run", "plan"])
def test_what_does_not_go_together_is_refused_with_the_reason(prepared, given, match, call):
    before = set(prepared.var)
    function = {"velocity": sv.tl.velocity, "run": sv.run, "plan": sv.plan}[call]
    own = {} if call == "velocity" else {"uncertainty": None}
    with pytest.raises(ValueError, match=match):
        function(prepared, **own | given, **STOCHASTIC)
    assert set(prepared.var) == before


@pytest.mark.filterwarnings("ignore:layer .* has values that are not whole numbers")
def test_exact_moments_need_raw_counts(prepared):
    for name in ("spliced", "unspliced"):
        factor = prepared.obs.pop(f"size_factor_{name}").to_numpy()
        prepared.layers[name] = sp.csr_matrix(sp.diags(1 / factor) @ prepared.layers[name])
    del prepared.uns["size_factor_params"]
    sv.tl.velocity(prepared, dense=False, **STOCHASTIC)
    gamma = prepared.var["velocity_gamma"].copy()
    with pytest.raises(ValueError, match=r"moments='exact' needs raw counts.*moments='scvelo'"):
        sv.tl.velocity(prepared, mode=sv.Stochastic(moments="exact"), dense=False)
    np.testing.assert_array_equal(prepared.var["velocity_gamma"], gamma)


@pytest.mark.filterwarnings("ignore:layer .* has values that are not whole numbers")
def test_a_run_refuses_exact_moments_before_it_finds_neighbours(counts, monkeypatch):
    for name in ("spliced", "unspliced"):
        layer = counts.layers[name]
        sizes = np.asarray(layer.sum(axis=1)).ravel() / layer.sum(axis=1).mean()
        counts.layers[name] = sp.csr_matrix(sp.diags(1 / sizes) @ layer)
    monkeypatch.setattr("steadyvelo.pp.neighbors", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(ValueError, match=r"moments='exact' needs raw counts.*moments='scvelo'"):
        sv.run(counts, mode=sv.Stochastic(moments="exact"), uncertainty=None, force=True)


def test_layers_that_are_normalised_already_are_used_as_they_are(prepared):
    """scVelo computes its second moments from them."""
    whole = prepared.copy()
    sv.tl.velocity(whole, dense=False, **STOCHASTIC)
    for name in ("spliced", "unspliced"):
        factor = prepared.obs.pop(f"size_factor_{name}").to_numpy()
        prepared.layers[name] = sp.csr_matrix(sp.diags(1 / factor) @ prepared.layers[name])
    del prepared.uns["size_factor_params"]
    with pytest.warns(sv.SteadyveloWarning, match="not whole numbers"):
        sv.tl.velocity(prepared, dense=False, **STOCHASTIC)
    np.testing.assert_allclose(
        prepared.var["velocity_gamma"], whole.var["velocity_gamma"], rtol=1e-5
    )


@pytest.fixture(scope="module")
def _stochastic(_prepared):
    adata = _prepared.copy()
    mode = sv.Stochastic(fit_offset=True)
    sv.tl.velocity(adata, mode=mode, uncertainty="sandwich", min_r2=0.3)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="pca")
    return adata


@pytest.fixture
def stochastic(_stochastic):
    """A stochastic fit with an offset, its graph and its arrows."""
    return _stochastic.copy()


@pytest.mark.filterwarnings("ignore::steadyvelo.SteadyveloWarning")
def test_what_follows_from_velocities_works(stochastic):
    sv.tl.velocity_confidence(stochastic)
    sv.tl.transition_matrix(stochastic)
    sv.tl.terminal_states(stochastic)
    sv.tl.velocity_pseudotime(stochastic)
    tested = sv.get.pseudotime_orientation(stochastic)
    assert tested.verdict == "not tested"
    assert "the fit is stochastic" in tested.reason
    sv.tl.rank_velocity_genes(stochastic, "branch")
    sv.tl.randomized_velocity(stochastic, basis="pca", n_controls=1)
    assert stochastic.obsm["velocity_randomized_pca"].shape[:2] == (stochastic.n_obs, 1)
    sv.tl.check_model(stochastic, "branch")
    assert (stochastic.var["velocity_model"] != "").all()
    sv.tl.compare_ratios(stochastic, "branch", conditions=["branch 1", "branch 2"])
    theirs = sv.interop.to_scvelo(stochastic)
    assert theirs.uns["velocity_params"]["mode"] == "stochastic"


def test_sensitivity_compares_with_a_deterministic_fit(stochastic):
    sv.tl.sensitivity(stochastic, "branch", basis="pca")
    table = sv.get.sensitivity(stochastic)
    assert {"deterministic", "through the origin"} <= set(table.index)
    assert "with an offset" not in table.index
    assert (table["all"] > 0).all()
    sv.tl.velocity(stochastic, **STOCHASTIC)
    sv.tl.velocity_graph(stochastic)
    sv.tl.velocity_embedding(stochastic, basis="pca")
    sv.tl.sensitivity(stochastic, basis="pca")
    assert {"deterministic", "with an offset"} <= set(sv.get.sensitivity(stochastic).index)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda a: sv.tl.direction(a, basis="pca"),
            r"made as a stochastic fit, but directions need cross-fitting; run tl.velocity",
        ),
        (lambda a: sv.tl.reliability(a, "branch", basis="pca"), "made as a stochastic fit"),
        (
            lambda a: sv.tl.compare_ratios(a, "branch", contrast="extremes"),
            "compares slopes of deterministic fits.*contrast='matched'",
        ),
    ],
)
def test_what_needs_a_deterministic_fit_is_refused_with_the_remedy(stochastic, call, match):
    with pytest.raises(ValueError, match=match):
        call(stochastic)


def test_portraits_mark_the_cells_of_first_moments(stochastic):
    fit = Fit.read(stochastic, "velocity")
    again = stochastic.var["velocity_refitted"].to_numpy()
    genes = np.r_[np.flatnonzero(again)[:2], np.flatnonzero(~again)[:1]]
    ms, mu = (stochastic.layers[name][:, genes].astype(float) for name in ("Ms", "Mu"))
    found = fit.weigh(genes, ms.T.copy(), mu.T.copy())
    z = ms / ms.max(axis=0) + mu / mu.max(axis=0)
    expected = beyond(z, 5, 95) | beyond(ms, 5, 95)
    # genes that were not fitted again have the cells of the deterministic fit
    expected[:, 2:] = beyond(z, None, 95)[:, 2:]
    np.testing.assert_array_equal(found.T, expected)
    np.testing.assert_array_equal(
        stochastic.var["velocity_fit_cells"].iloc[genes], expected.sum(axis=0)
    )
    axes = sv.pl.phase_portrait(stochastic, list(stochastic.var_names[genes]))
    for ax, marked in zip(axes, expected.T, strict=True):
        (outlines,) = (x for x in ax.collections if x.get_label() == "cells of the fit")
        assert len(outlines.get_offsets()) == marked.sum()


def test_a_run_from_counts_to_arrows(counts, said):
    result = sv.run(counts, basis="pca", uncertainty="sandwich", **STOCHASTIC)
    assert result.uns["velocity_params"]["sqrt_transform"]
    assert result.var["velocity_refitted"].sum() == result.var["velocity_genes"].sum()
    assert any("verdicts: none" in line for line in said)
    assert np.isfinite(result.obsm["velocity_pca"]).all()


def test_any_block_size_and_number_of_threads_give_the_same(prepared):
    first, second = prepared.copy(), prepared.copy()
    sv.tl.velocity(first, n_threads=1, **STOCHASTIC)
    sv.tl.velocity(second, n_threads=3, max_memory=1e6, **STOCHASTIC)
    np.testing.assert_array_equal(first.var["velocity_gamma"], second.var["velocity_gamma"])


def test_without_dense_layers_no_large_array_is_made():
    adata = sv.datasets.simulate(n_cells=1500, n_genes=400, depth=0.1, rng=0)
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=5)
    block = {"max_memory": 1500 * 24 * 4, "n_threads": 1, "dense": False}

    def peak():
        tracemalloc.start()
        sv.tl.velocity(adata, **block, **STOCHASTIC)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak()  # compiles
    one_layer = 1500 * 400 * 4
    assert peak() < one_layer


def test_the_engine_is_asked_for_blocks_that_fit_into_memory(prepared, monkeypatch):
    widths = []

    def recording(*args, **kwargs):
        widths.append(kwargs["genes_per_block"])
        return fit_ratios(*args, **kwargs)

    monkeypatch.setattr("steadyvelo.tl._make_fit.fit_ratios", recording)
    limits = {"max_memory": prepared.n_obs * 24 * 10, "dense": False}
    for given in ({}, STOCHASTIC, {**STOCHASTIC, "uncertainty": "sandwich"}):
        sv.tl.velocity(prepared, **limits, **given)
    # 12, 24 and 78 bytes for each value
    assert widths == [20, 10, 3]
