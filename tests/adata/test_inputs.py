"""Cells, graph and counts are checked and hashed once a call."""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo._adata import _checks, _inputs, _provenance


@pytest.fixture
def counted(monkeypatch):
    """How often cells and graphs were hashed, and layers summed and checked."""
    found = Counter()
    hash_of, sums, check = _provenance._hash, _provenance.weighted_column_sums, _checks.check_counts

    def count_hash(*parts):
        found[sys._getframe(1).f_code.co_name] += 1
        return hash_of(*parts)

    def count_sums(*arguments):
        found["sums"] += 1
        return sums(*arguments)

    def count_checks(adata, name):
        found[f"checks of {name}"] += 1
        return check(adata, name)

    monkeypatch.setattr(_provenance, "_hash", count_hash)
    monkeypatch.setattr(_provenance, "weighted_column_sums", count_sums)
    monkeypatch.setattr(_inputs, "check_counts", count_checks)
    return found


@pytest.fixture(scope="module")
def _judged():
    adata = sv.datasets.simulate(n_cells=240, n_genes=60, depth=2.5, rng=3)
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=15, n_pcs=10)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1), dense=False)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="pca")
    adata.obs["mixed"] = np.where(np.arange(240) % 2, "a", "b")
    return adata


@pytest.fixture
def judged(_judged):
    return _judged.copy()


CALLS = {
    "velocity": lambda adata: sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2)),
    "graph": sv.tl.velocity_graph,
    "confidence": sv.tl.velocity_confidence,
    "randomised": lambda adata: sv.tl.randomized_velocity(adata, basis="pca"),
    "model": sv.tl.check_model,
    "direction": lambda adata: sv.tl.direction(adata, basis="pca", n_controls=1),
    "ratios": lambda adata: sv.tl.compare_ratios(adata, "mixed"),
    "slopes": lambda adata: sv.tl.compare_ratios(
        adata, "branch", contrast="extremes", uncertainty=sv.CrossFit(n_repeats=1)
    ),
    "ranking": lambda adata: sv.tl.rank_velocity_genes(adata, "branch"),
    "pseudotime": sv.tl.velocity_pseudotime,
    "get": sv.get.velocity,
    "errors": sv.get.velocity_se,
    "scVelo": sv.interop.to_scvelo,
}


@pytest.mark.parametrize("name", CALLS)
def test_once_a_call(judged, counted, name):
    CALLS[name](judged)
    twice = {what for what, times in counted.items() if times > 1}
    # one sum for each of two layers; size factors, folds and coordinates are hashed as columns
    assert twice <= {"sums", "hash_values"}
    assert counted["sums"] <= 2
    assert counted["hash_values"] <= (3 if name == "direction" else 2)
    assert counted["hash_cells"] == 1


def test_variants_share_what_the_fit_has_found(judged, counted):
    sv.tl.reliability(judged, "clusters", basis="pca", n_controls=2)
    assert counted["sums"] == 2
    # two variants have other neighbours
    assert counted["hash_pattern"] == 3
