"""Bounds of lines through `tl.velocity`, and from a command."""

from __future__ import annotations

import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo.model import SufficientStatistics, steady_state_weights


def sums_of(adata, *, offset):
    """The sums of the fit that was made, from its smoothed layers."""
    ms, mu = (adata.layers[name].astype(float) for name in ("Ms", "Mu"))
    quantiles = (0.05, 0.95) if offset else (None, 0.95)
    w = steady_state_weights(ms.T.copy(), mu.T.copy(), quantiles=quantiles).T
    return SufficientStatistics.from_arrays(ms, mu, w), SufficientStatistics.from_arrays(ms, mu)


@pytest.mark.parametrize(
    ("offset", "options", "bounds"),
    [
        (False, {"gamma_bounds": (0.1, 0.3)}, {"gamma_bounds": (0.1, 0.3)}),
        ("nonnegative", {"gamma_bounds": (0.1, 0.3)}, {"gamma_bounds": (0.1, 0.3)}),
        (
            True,
            {"gamma_bounds": (-np.inf, 0.3), "offset_bounds": (0, np.inf)},
            {"gamma_bounds": (-np.inf, 0.3), "offset_bounds": (0, np.inf)},
        ),
        (False, {"bounds": "velocyto"}, {"gamma_bounds": (0, 20)}),
    ],
)
def test_the_fit_is_that_of_the_model(prepared, offset, options, bounds):
    sv.tl.velocity(prepared, offset=offset, **options)
    sums, overall = sums_of(prepared, offset=offset)
    fit, free = sums.solve(offset=offset, **bounds), sums.solve(offset=offset)
    var = prepared.var
    np.testing.assert_allclose(var["velocity_gamma"], fit.gamma, rtol=1e-9)
    np.testing.assert_allclose(var["velocity_offset"], fit.offset, rtol=1e-9, atol=1e-12)
    r2 = overall.r2(fit.gamma, fit.offset)
    np.testing.assert_allclose(var["velocity_r2"], r2, rtol=1e-6)
    np.testing.assert_array_equal(var["velocity_at_bound"], fit.at_bound)
    moved = (fit.gamma != free.gamma) | (fit.offset != free.offset)
    np.testing.assert_array_equal(fit.at_bound, moved)
    assert moved.any() == (options != {"bounds": "velocyto"})
    ms, mu = (prepared.layers[name].astype(float) for name in ("Ms", "Mu"))
    np.testing.assert_allclose(
        prepared.layers["velocity"], mu - fit.gamma * ms - fit.offset, rtol=1e-4, atol=1e-5
    )


def test_velocytos_bounds_of_an_offset_are_from_0_to_twice_the_mean(prepared):
    sv.tl.velocity(prepared, offset=True, bounds="velocyto")
    sums, _ = sums_of(prepared, offset=True)
    fit = sums.solve(
        offset=True, gamma_bounds=(0, 20), offset_bounds=(0.0, 2 * sums.unspliced_mean)
    )
    np.testing.assert_allclose(prepared.var["velocity_gamma"], fit.gamma, rtol=1e-9)
    np.testing.assert_allclose(prepared.var["velocity_offset"], fit.offset, rtol=1e-9, atol=1e-12)
    assert (prepared.var["velocity_offset"] >= 0).all()
    assert 0 < prepared.var["velocity_at_bound"].sum() < 60
    assert prepared.uns["velocity_params"]["bounds"] == "velocyto"


def test_r2_of_all_cells_is_that_of_a_line_within_the_bounds(prepared):
    sv.tl.velocity(prepared, gamma_bounds=(0, 0.2), r2="all_cells")
    _, overall = sums_of(prepared, offset=False)
    line = overall.solve(gamma_bounds=(0, 0.2))
    r2 = overall.r2(line.gamma, line.offset)
    np.testing.assert_allclose(prepared.var["velocity_r2"], r2, rtol=1e-6)


def test_without_bounds_no_column_says_that_lines_have_some(prepared):
    sv.tl.velocity(prepared, gamma_bounds=(0, 0.2))
    assert prepared.var["velocity_at_bound"].any()
    sv.tl.velocity(prepared)
    assert "velocity_at_bound" not in prepared.var


def test_genes_that_are_not_used_are_at_no_bound(prepared):
    prepared.var["genes_used"] = np.arange(60) > 9
    sv.tl.velocity(prepared, gamma_bounds=(0, 1e-6), min_r2=-np.inf, min_gamma=-np.inf)
    at_bound = prepared.var["velocity_at_bound"]
    assert not at_bound[:10].any()
    assert at_bound[10:].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"offset": True, "bounds": "velocyto", "gamma_bounds": (0, 1)},
            "bounds='velocyto' has bounds of .* or leave out gamma_bounds",
        ),
        ({"offset_bounds": (0, 1)}, r"offset_bounds=\(0\.0, 1\.0\) need a free .* offset is False"),
        ({"offset": "nonnegative", "offset_bounds": (0, 1)}, "offset is 'nonnegative'"),
        ({"offset": "nonnegative", "bounds": "velocyto"}, "a lower bound of 0 of the offset"),
        (
            {"gamma_bounds": (0, 1), "uncertainty": "sandwich"},
            "gamma_bounds cannot be used with uncertainty='sandwich'.*Use uncertainty=None",
        ),
        ({"bounds": "velocyto", "uncertainty": "crossfit"}, "bounds cannot be used with"),
        (
            {"gamma_bounds": (0, 1), "mode": "stochastic"},
            "gamma_bounds cannot be used with mode='stochastic'.*Use mode='deterministic'",
        ),
        (
            {
                "offset": True,
                "bounds": "velocyto",
                "mode": sv.Stochastic(fit_offset=True),
                "uncertainty": "sandwich",
            },
            "bounds cannot be used with mode='stochastic'",
        ),
    ],
)
def test_bounds_that_cannot_be_used(prepared, options, message):
    before = set(prepared.var)
    with pytest.raises(ValueError, match=message):
        sv.tl.velocity(prepared, **options)
    assert set(prepared.var) == before


def test_slopes_are_not_compared_within_bounds(prepared):
    prepared.obs["half"] = np.where(np.arange(240) % 2, "a", "b")
    sv.tl.velocity(prepared, gamma_bounds=(0, 0.3))
    with pytest.raises(ValueError, match="the lines of the fit have bounds"):
        sv.tl.compare_ratios(prepared, "half", contrast="extremes", uncertainty="sandwich")
    sv.tl.compare_ratios(prepared, "half")
    assert len(sv.get.ratio_differences(prepared)) > 0


def test_other_settings_keep_the_bounds(prepared):
    sv.tl.velocity(prepared, offset=True, bounds="velocyto")
    sv.tl.sensitivity(prepared, basis="pca")
    # a line through the origin has no bounds of an offset
    assert np.isfinite(sv.get.sensitivity(prepared).loc["through the origin", "all"])


def test_a_run_with_velocytos_fit(counts):
    options = {"basis": "pca", "neighbors": sv.Neighbors(n_neighbors=15, n_pcs=10)}
    fit = {"weights": "maxmin_diag", "offset": True, "bounds": "velocyto"}
    result = sv.run(counts, uncertainty=None, **fit, **options)
    assert result.var["velocity_offset"].min() == 0
    params = result.uns["velocity_params"]
    assert (params["bounds"], params["weights"]) == ("velocyto", "maxmin_diag")
    for call in (sv.run, sv.plan):
        with pytest.raises(ValueError, match="bounds cannot be used with uncertainty='crossfit'"):
            call(counts, **fit, **options)
        with pytest.raises(ValueError, match="bounds cannot be used with mode='stochastic'"):
            call(counts, mode="stochastic", uncertainty=None, bounds="velocyto", **options)


def test_the_report_names_the_bounds(prepared, tmp_path):
    prepared.obsm["X_umap"] = prepared.obsm["X_pca"][:, :2].astype(np.float64)
    sv.tl.velocity(prepared, offset=True, bounds="velocyto")
    sv.tl.velocity_graph(prepared)
    sv.tl.velocity_embedding(prepared, basis="umap")
    said = []
    for options in ({}, {"gamma_bounds": (0, 2), "offset_bounds": (0, 1)}):
        if options:
            sv.tl.velocity(prepared, offset=True, **options)
            sv.tl.velocity_graph(prepared)
            sv.tl.velocity_embedding(prepared, basis="umap")
        sv.report.write(prepared, tmp_path / "a.html", basis="umap", n_portraits=1)
        said.append((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert "with γ from 0 to 20, and an offset of at most twice the mean of u" in said[0]
    assert "with γ from 0 to 2 and offset from 0 to 1" in said[1]
