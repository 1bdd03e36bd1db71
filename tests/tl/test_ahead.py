"""What a run computes once and keeps equals what its steps compute alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo.tl import _ahead, _folds, _reliability, _velocity_graph
from steadyvelo.tl._kept import kept_results, now_kept


@pytest.fixture(scope="module")
def counts():
    adata = sv.datasets.simulate(n_cells=400, n_genes=80, rng=0)
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    adata.obsm["X_plane"] = adata.obsm["X_pca"][:, :2]
    return adata


@pytest.mark.parametrize("offset", [False, True, "nonnegative"])
def test_a_run_equals_its_steps(counts, offset):
    errors = sv.CrossFit(n_repeats=2)
    given = {"offset": offset, "uncertainty": errors}
    # the size factors of a run are over all genes, as here
    result = sv.run(counts, groupby="branch", basis="plane", min_shared_counts=0, **given)
    steps = counts[:, result.var_names].copy()
    sv.tl.velocity(steps, **given)
    sv.tl.velocity_graph(steps)
    sv.tl.velocity_embedding(steps, basis="plane")
    sv.tl.reliability(steps, "branch", basis="plane")
    for slot in ("obs", "var"):
        ours, theirs = getattr(result, slot), getattr(steps, slot)
        columns = [name for name in theirs if name.startswith("velocity")]
        assert len(columns) > 3
        pd.testing.assert_frame_equal(ours[columns], theirs[columns], rtol=1e-5, atol=1e-6)
    tables = ("reliability", "reliability_checks", "sensitivity", "direction_plane_genes")
    for name in (f"velocity_{table}" for table in tables):
        pd.testing.assert_frame_equal(result.uns[name], steps.uns[name], rtol=1e-5, atol=1e-6)


def test_results_of_another_fit_are_not_used(counts):
    adata = counts.copy()
    with kept_results(look_ahead=True):
        sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1))
        first = Fit.read(adata, "velocity")
        assert _ahead.of_fit(first) is not None
        kept = now_kept().ahead["velocity"]
        sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1), rng=1)
        now_kept().ahead["velocity"] = kept
        assert _ahead.of_fit(Fit.read(adata, "velocity")) is None
    assert now_kept() is None
    assert _ahead.of_fit(first) is None


def test_graphs_are_kept_until_the_outer_call_ends(counts, monkeypatch):
    searched = []
    found = _folds.fold_neighbors

    def search(inputs, genes, *given):
        searched.append(given[2])
        return found(inputs, genes, *given)

    monkeypatch.setattr(_folds, "fold_neighbors", search)
    errors = sv.CrossFit(n_repeats=1)
    with kept_results():
        adata = counts.copy()
        sv.tl.velocity(adata, uncertainty=errors)
        assert searched == [(True, False)] * 2
        with kept_results(look_ahead=True):
            assert not now_kept().looks_ahead
            sv.tl.check_model(adata, "branch")
            assert len(searched) == 2
            sv.tl.direction(adata, basis="plane", n_controls=1)
        # those for ratios are known
        assert searched[2:] == [(False, True)] * 2
        sv.tl.velocity(adata, uncertainty=errors, rng=1)
        assert searched[4:] == [(True, False)] * 2
    sv.tl.velocity(adata, uncertainty=errors)
    assert searched[6:] == [(True, False)] * 2


def test_graphs_for_instruments_are_not_kept_longer_than_needed(counts):
    adata = counts.copy()
    errors = sv.CrossFit(n_repeats=2)
    with kept_results(look_ahead=True):
        sv.tl.velocity(adata, uncertainty=errors)
        assert [name[0] for name in now_kept().graphs] == ["directions"] * 2
        sv.tl.reliability(adata, "branch", basis="plane", n_controls=1)
        assert [name[0] for name in now_kept().graphs] == ["directions"] * 2
    with kept_results(look_ahead=True):
        # lines with an offset have too many instruments to keep them
        sv.tl.velocity(adata, uncertainty=errors, offset=True)
        assert len(now_kept().graphs) == 4


def test_a_fit_alone_looks_at_nothing(counts, monkeypatch):
    def fail(*_, **__):
        raise AssertionError

    monkeypatch.setattr(_ahead.Ahead, "take", fail)
    monkeypatch.setattr("steadyvelo.tl._fold_neighbors._components", np.copy)
    with pytest.raises(TypeError):
        sv.tl.velocity(counts.copy(), uncertainty=sv.CrossFit(n_repeats=1))
    monkeypatch.undo()
    monkeypatch.setattr(_ahead.Ahead, "take", fail)
    sv.tl.velocity(counts.copy(), uncertainty=sv.CrossFit(n_repeats=1))


@pytest.mark.parametrize("groupby", ["branch", None])
@pytest.mark.parametrize("offset", [False, True])
def test_a_run_tests_directions_once_and_frees_what_they_need(counts, monkeypatch, groupby, offset):
    tested, held = [], []

    def testing(*given):
        tested.append(given[1])
        return make_directions(*given)

    def graph(*given, **options):
        kept = now_kept()
        held.append((dict(kept.graphs), [ahead.kept for ahead in kept.ahead.values()]))
        return make_graph(*given, **options)

    make_directions, make_graph = _reliability.make_directions, _velocity_graph.make_graph
    monkeypatch.setattr(_reliability, "make_directions", testing)
    monkeypatch.setattr(_velocity_graph, "make_graph", graph)
    errors = sv.CrossFit(n_repeats=1)
    given = {"groupby": groupby, "basis": "plane", "offset": offset, "uncertainty": errors}
    result = sv.run(counts, **given)
    assert [choice.groupby for choice in tested] == [groupby]
    assert held == [({}, [None] * (groupby is not None))]
    assert ("velocity_reliability" in result.uns) == (groupby is not None)
    assert result.obs["velocity_plane_agreement"].median() > 0.5


def test_a_test_of_another_choice_or_fit_is_not_used(counts):
    adata = counts.copy()
    with kept_results(look_ahead=True):
        sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1))
        given = {"basis": "plane", "max_memory": None, "n_threads": 1, "progress": None}
        _reliability.directions_ahead(adata, "branch", rng=0, **given)
        fit = Fit.read(adata, "velocity")
        choice = now_kept().directions["velocity"].choice
        assert _reliability._tested_before(fit, choice) is not None
        assert _reliability._tested_before(fit, replace(choice, rng=1)) is None
        sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1), rng=1)
        assert _reliability._tested_before(Fit.read(adata, "velocity"), choice) is None
