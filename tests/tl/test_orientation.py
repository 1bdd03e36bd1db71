"""Whether velocities tell in which direction a pseudotime runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

import steadyvelo as sv
from steadyvelo.get import PseudotimeOrientation
from steadyvelo.report._verdicts import Judged, section
from steadyvelo.tl import _velocity_pseudotime as pseudotime
from steadyvelo.tl._orientation import judged


def prepared(*, still=False, n_cells=500, **how):
    adata = sv.datasets.simulate(
        n_cells=n_cells, n_genes=120, n_branches=1, depth=2, steady_state=still, rng=1
    )
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), **how)
    sv.tl.velocity_graph(adata)
    return adata


@pytest.fixture(scope="module")
def moving():
    adata = prepared()
    sv.tl.velocity_pseudotime(adata)
    return adata


def made(adata):
    return adata.uns["velocity_params"]["pseudotime"]


def test_velocities_support_the_time_of_moving_cells(moving, tmp_path):
    found = sv.get.pseudotime_orientation(moving)
    assert spearmanr(moving.obs["velocity_pseudotime"], moving.obs["true_time"]).statistic > 0.9
    assert found.verdict == "determined"
    assert found.total > 4 * found.standard_error > 0
    assert found.p < 1e-4
    assert found.n_cells == moving.n_obs
    assert found.reason.startswith("Velocities support the orientation of the pseudotime")
    sv.io.write_h5ad(moving, tmp_path / "a.h5ad")
    assert sv.get.pseudotime_orientation(sv.io.read_h5ad(tmp_path / "a.h5ad")) == found


def test_a_named_time_that_runs_backwards(moving):
    adata = moving.copy()
    before = sv.get.pseudotime_orientation(adata)
    root, end = made(adata)["root"], made(adata)["end"]
    with pytest.warns(sv.SteadyveloWarning, match=r"run against the pseudotime.*Exchange root and"):
        sv.tl.velocity_pseudotime(adata, root=end, end=root)
    found = sv.get.pseudotime_orientation(adata)
    assert found.verdict == "reversed"
    assert found.total == pytest.approx(-before.total, rel=1e-6)
    assert found.p == pytest.approx(before.p, rel=1e-4)
    assert (found.retest_t, found.retest_z) == pytest.approx((before.retest_t, before.retest_z))
    np.testing.assert_allclose(
        adata.obs["velocity_pseudotime"], 1 - moving.obs["velocity_pseudotime"], atol=1e-9
    )


def test_root_and_end_that_were_found_are_exchanged(moving, monkeypatch):
    adata, right = moving.copy(), made(moving)
    real = pseudotime.found_ends

    def turned(*given, **options):
        places, parts = real(*given, **options)
        return places[::-1], parts

    monkeypatch.setattr(pseudotime, "found_ends", turned)
    sv.tl.velocity_pseudotime(adata)
    assert (made(adata)["root"], made(adata)["end"]) == (right["root"], right["end"])
    np.testing.assert_allclose(
        adata.obs["velocity_pseudotime"], moving.obs["velocity_pseudotime"], atol=1e-9
    )
    found = sv.get.pseudotime_orientation(adata)
    assert found.verdict == "determined"
    assert "Root and end were exchanged" in found.reason
    assert found.total == pytest.approx(sv.get.pseudotime_orientation(moving).total, rel=1e-6)


def test_cells_that_do_not_change_do_not_determine_it():
    adata = prepared(still=True)
    with pytest.warns(sv.SteadyveloWarning, match=r"do not determine.*Name a root= that is known"):
        sv.tl.velocity_pseudotime(adata)
    assert sv.get.pseudotime_orientation(adata).verdict == "not determined"
    # a user who names both knows the orientation, and is not warned
    names = {name: made(adata)[name] for name in ("root", "end")}
    sv.tl.velocity_pseudotime(adata, **names)
    assert sv.get.pseudotime_orientation(adata).verdict == "not determined"


def test_what_cannot_be_tested(moving, monkeypatch):
    adata = moving.copy()
    del adata.layers["unspliced"]
    sv.tl.velocity_pseudotime(adata)
    found = sv.get.pseudotime_orientation(adata)
    assert (found.verdict, found.n_cells) == ("not tested", 0)
    assert "layers['unspliced'], the counts of the fit, is missing" in found.reason
    assert np.isnan(found.p)
    adata = moving.copy()
    sv.tl.velocity(adata)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_pseudotime(adata)
    assert "no cross-fitted errors" in sv.get.pseudotime_orientation(adata).reason
    adata = moving.copy()
    for module in ("_orientation", "_sampled_fit"):
        monkeypatch.setattr(f"steadyvelo.tl.{module}.MOST_CELLS", 200)
    del adata.uns["neighbors"]["params"]["n_neighbors"]
    sv.tl.velocity_pseudotime(adata)
    assert "neighbours were found is not known" in sv.get.pseudotime_orientation(adata).reason


def test_many_cells_are_sampled(monkeypatch):
    adata = prepared(n_cells=700)
    for module in ("_orientation", "_sampled_fit"):
        monkeypatch.setattr(f"steadyvelo.tl.{module}.MOST_CELLS", 600)
    monkeypatch.setattr("steadyvelo.tl._sampled_fit._SAMPLE", 400)
    # a part of which no cell has a time is not sampled
    without = np.arange(700) < 30
    for name in ("velocity_graph", "velocity_graph_neg"):
        graph = adata.obsp[name].tolil()
        graph[without] = 0
        graph[:, without] = 0
        adata.obsp[name] = graph.tocsr()
    with pytest.warns(sv.SteadyveloWarning, match="30 cells are not connected"):
        sv.tl.velocity_pseudotime(adata)
    found = sv.get.pseudotime_orientation(adata)
    assert (found.verdict, found.n_cells) == ("determined", 400)


def test_cells_without_a_time_are_not_tested(moving):
    adata = moving.copy()
    for name in ("velocity_graph", "velocity_graph_neg"):
        graph = adata.obsp[name].tolil()
        graph[:10] = 0
        graph[:, :10] = 0
        adata.obsp[name] = graph.tocsr()
    with pytest.warns(sv.SteadyveloWarning, match="10 cells are not connected"):
        sv.tl.velocity_pseudotime(adata)
    found = sv.get.pseudotime_orientation(adata)
    assert (found.verdict, found.n_cells) == ("determined", adata.n_obs - 10)


@pytest.mark.parametrize(
    ("statistics", "verdict", "said"),
    [
        ((5.0, 1.0, 1e-4, 4.0, 0.0), "determined", "and the retest"),
        ((-5.0, 1.0, 1e-4, 4.0, 0.0), "reversed", "run against the pseudotime"),
        ((5.0, 1.0, 1e-4, 3.9, 9.0), "not determined", "but the retest"),
        ((5.0, 1.0, 1e-4, 4.5, -2.0), "not determined", "does not confirm its sign (t = 4.5"),
        ((5.0, 4.0, 0.2, 4.5, 3.0), "not determined", "(p = 0.2), but the retest"),
        ((5.0, 4.0, 0.2, 0.1, 0.2), "not determined", "(p = 0.2), and the retest"),
        ((5.0, np.nan, np.nan, np.nan, np.nan), "not determined", "p = nan"),
    ],
)
def test_the_rule(statistics, verdict, said):
    found = judged(*statistics, n_cells=9)
    assert found.verdict == verdict
    assert said in found.reason


def test_the_report_says_whether_it_is_determined(moving):
    adata = moving.copy()
    sv.tl.velocity_embedding(adata, basis="pca")
    check = section(adata, Judged.read(adata, "velocity", "pca")).checks[-1]
    assert (check.what, check.verdict) == ("orientation of the pseudotime", "determined")
    assert check.kind == "good"
    unknown = PseudotimeOrientation("not determined", "No.").encode()
    made(adata)["orientation"] = unknown
    check = section(adata, Judged.read(adata, "velocity", "pca")).checks[-1]
    assert (check.verdict, check.kind, check.reason) == ("not determined", "doubt", "No.")
    del adata.obs["velocity_pseudotime"]
    assert Judged.read(adata, "velocity", "pca").orientation is None


def test_there_is_no_pseudotime(moving):
    adata = moving.copy()
    del adata.uns["velocity_params"]["pseudotime"]
    with pytest.raises(KeyError, match=r"no pseudotime.*run tl\.velocity_pseudotime\(adata\)"):
        sv.get.pseudotime_orientation(adata)


def test_each_lineage_is_tested(moving):
    adata = moving.copy()
    sv.tl.velocity_embedding(adata, basis="pca")
    adata.obs["lineage"] = np.where(np.arange(adata.n_obs) < 470, "x", None)
    sv.tl.velocity_pseudotime(adata, lineage_key="lineage")
    found = sv.get.pseudotime_orientation(adata, lineage="x")
    assert (found.verdict, found.n_cells) == ("determined", 470)
    check = section(adata, Judged.read(adata, "velocity", "pca")).checks[-1]
    assert (check.what, check.verdict) == ("orientation of the pseudotime, x", "determined")
    turned = made(adata)["lineages"]
    with pytest.warns(sv.SteadyveloWarning, match=r"x: Velocities run against the pseudotime"):
        sv.tl.velocity_pseudotime(
            adata, root=turned["end"][0], end=turned["root"][0], lineage_key="lineage"
        )
    assert sv.get.pseudotime_orientation(adata, lineage="x").verdict == "reversed"
