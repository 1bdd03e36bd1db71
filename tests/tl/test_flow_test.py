"""The test of net flows by folds of genes and cells."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from matplotlib.patches import FancyArrowPatch
from scipy import stats

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._groups import cluster_codes
from steadyvelo.engine import find_directions, find_group_directions, find_net_flows
from steadyvelo.tl import _flow_test as test
from steadyvelo.tl._direction import directions_given
from steadyvelo.tl._flow_verdicts import judge_flows
from steadyvelo.tl._limits import Limits
from steadyvelo.tl._missing_folds import UNKNOWN_REPRESENTATION
from steadyvelo.tl._uncertainty import Errors


def prepared(*, offset=False, **options):
    adata = sv.datasets.simulate(**{"n_cells": 400, "n_genes": 100, "depth": 2, **options})
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), offset=offset)
    sv.tl.velocity_graph(adata)
    return adata


@pytest.fixture(scope="module", params=[False, True])
def _moving(request):
    return prepared(offset=request.param, rng=0)


@pytest.fixture
def moving(_moving):
    return _moving.copy()


def given(adata):
    """The arguments of the engine's functions, on an embedding of clusters."""
    fit = Fit.read(adata, "velocity")
    names, codes = cluster_codes(adata, "clusters")
    errors = Errors.of_fit(fit, graphs=test._GRAPHS, n_threads=2)
    corners = np.eye(len(names))[codes]
    return directions_given(fit, errors, None, corners, codes, Limits(None, 2))


def test_net_flows_are_differences_of_summed_arrows(moving):
    inputs, blocks = given(moving)
    found = find_net_flows(*inputs, **blocks)
    arrows = find_group_directions(*inputs, **blocks).arrows
    np.testing.assert_allclose(found.net, arrows - arrows.T, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found.standard_error, found.standard_error.T)
    # the variance is that over random signs of cells
    signs = np.random.default_rng(0).choice([-1, 1], (1500, moving.n_obs)).astype(np.int8)
    controls = find_directions(*inputs, signs=signs, **blocks).groups.controls
    nets = controls - controls.swapaxes(1, 2)
    upper = np.triu(found.standard_error > 0, 1)
    spread = np.sqrt((nets**2).mean(axis=0))[upper] / found.standard_error[upper]
    assert np.abs(spread - 1).max() < 0.1
    few = find_net_flows(*inputs, **{**blocks, "n_threads": 1, "genes_per_block": 7})
    np.testing.assert_allclose(few.net, found.net, rtol=1e-4, atol=1e-6 * abs(found.net).max())
    np.testing.assert_allclose(few.n, found.n, rtol=1e-3)


def test_the_table_has_this_test_if_errors_are_cross_fitted(moving):
    sv.tl.cluster_graph(moving, "clusters", n_controls=2)
    made = moving.uns["velocity_params"]["cluster_graph"]
    assert made["test"] == "folds"
    names, codes = cluster_codes(moving, "clusters")
    fit = Fit.read(moving, "velocity")
    found = test.cross_fitted_flows(fit, codes, len(names), Limits(None, 2))
    table = sv.get.cluster_graph(moving)
    for row in table.itertuples():
        a, b = names.index(row.source), names.index(row.target)
        assert row.t == pytest.approx(found.net[a, b] / found.standard_error[a, b], rel=1e-3)
        p = 2 * stats.t(found.n[a, b] - 1).sf(abs(row.t))
        assert row.p == pytest.approx(p, rel=1e-6)
        for name in ("retest_t", "retest_z"):
            again = getattr(found, name)[a, b]
            assert getattr(row, name) == pytest.approx(again, rel=1e-2, abs=1e-2)
    judged = judge_flows(table.drop(columns=["verdict", "reason"]), 0.95, "")
    pd.testing.assert_frame_equal(judged, table)
    steps = moving.uns["paga"]["transitions_confidence"].toarray()
    supported = table[table["verdict"] == "supported"]
    assert (steps > 0).sum() == len(supported) >= 2
    for row in supported.itertuples():
        assert steps[names.index(row.target), names.index(row.source)] == row.net
    edges = table.set_index(["source", "target"]).loc[
        [tuple(edge) for edge in moving.uns["true_edges"]]
    ]
    assert (edges["t"] > 0).sum() >= 4
    assert (edges["retest_z"] > 0).sum() >= 4
    back = table.set_index(["target", "source"]).loc[edges.index]
    for name in ("retest_t", "retest_z"):
        np.testing.assert_array_equal(back[name], -edges[name])


def test_scanpy_draws_the_flows_that_are_supported(moving):
    sv.tl.cluster_graph(moving, "clusters", n_controls=2)
    points = pd.DataFrame(moving.obsm["X_pca"][:, :2]).groupby(
        moving.obs["clusters"].to_numpy(), observed=True
    )
    ax = sc.pl.paga(
        moving, transitions="transitions_confidence", pos=points.mean().to_numpy(), show=False
    )
    drawn = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    supported = sv.get.cluster_graph(moving)["verdict"] == "supported"
    assert len(drawn) == supported.sum() > 0
    plt.close("all")


def test_cells_without_a_cluster_are_neighbours_only(moving):
    labels = moving.obs["clusters"].astype(object)
    labels[moving.obs["clusters"] == "fork"] = None
    moving.obs["some"] = labels
    sv.tl.cluster_graph(moving, "some", n_controls=1)
    table = sv.get.cluster_graph(moving)
    assert np.isfinite(table["t"]).all()
    assert "fork" not in set(table["source"])


def test_many_cells_are_sampled(monkeypatch):
    adata = prepared(n_cells=700, rng=1)
    for module in ("_flow_test", "_sampled_fit"):
        monkeypatch.setattr(f"steadyvelo.tl.{module}.MOST_CELLS", 600)
    monkeypatch.setattr("steadyvelo.tl._sampled_fit._SAMPLE", 400)
    seen = []
    real = test.find_net_flows

    def counted(source, *others, **options):
        seen.append(source.spliced.shape[0])
        return real(source, *others, **options)

    monkeypatch.setattr(test, "find_net_flows", counted)
    sv.tl.cluster_graph(adata, "clusters", n_controls=1)
    assert 400 <= seen[0] < 450
    assert adata.uns["velocity_params"]["cluster_graph"]["test"] == "folds"
    # neighbours of a sample cannot be found
    del adata.uns["neighbors"]["params"]["n_neighbors"]
    sv.tl.cluster_graph(adata, "clusters", n_controls=3, level=0.05)
    assert adata.uns["velocity_params"]["cluster_graph"]["test"] == "controls"
    table = sv.get.cluster_graph(adata)
    np.testing.assert_allclose(table["t"], table["net"] / table["net_se"])
    assert table["retest_t"].isna().all()
    reasons = table.loc[table["verdict"] == "weak", "reason"]
    assert len(reasons) == table["significant"].sum() > 0
    assert reasons.str.endswith(f"a steady state: {UNKNOWN_REPRESENTATION}.").all()
