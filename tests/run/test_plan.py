"""What a run says before it starts."""

from __future__ import annotations

import pytest

import steadyvelo as sv
from steadyvelo._run._plan import Plan
from steadyvelo.engine import fit_ratios


def test_the_plan_names_blocks_memory_layers_and_threads():
    plan = Plan.make((30_000, 1_000), bytes_per_value=12, dense=True, max_memory=2e9, n_threads=4)
    assert str(plan) == (
        "30,000 cells × 1,000 genes in 2 blocks of up to 512 genes (0.18 GB each); "
        "3 dense layers (0.36 GB); memory limit 2.00 GB; 4 threads"
    )
    small = Plan.make((500, 40), bytes_per_value=12, dense=False, max_memory=1e6, n_threads=1)
    assert str(small) == (
        "500 cells × 40 genes in 1 block of up to 40 genes (0.2 MB each); no dense layers; "
        "memory limit 1.0 MB; 1 thread"
    )


def test_a_run_says_the_plan_that_it_follows(counts, said):
    sv.run(counts, basis="pca", max_memory=3e6, n_threads=1, uncertainty=None)
    plan = next(line for line in said if line.startswith("plan: "))
    assert plan.startswith("plan: 240 cells × ")
    assert "3 dense layers" in plan
    assert plan.endswith("memory limit 3.0 MB; 1 thread")


def test_the_plan_counts_what_errors_need(counts, monkeypatch):
    widths = []

    def recording(*args, **kwargs):
        widths.append(kwargs["genes_per_block"])
        return fit_ratios(*args, **kwargs)

    monkeypatch.setattr("steadyvelo.tl._make_fit.fit_ratios", recording)
    options = {"basis": "pca", "max_memory": 4e5, "n_threads": 1, "groupby": "branch"}
    stochastic = {"mode": "stochastic", "groupby": None}
    by_category = {"gamma_by": "branch", "groupby": None}
    for given in (
        {"offset": False},
        {"offset": True},
        {**stochastic, "uncertainty": None},
        {**stochastic, "uncertainty": "sandwich"},
        {**by_category, "uncertainty": None},
        {**by_category, "uncertainty": "sandwich", "offset": True},
    ):
        planned = sv.plan(counts, **options | given)
        sv.run(counts, **options | given)
        assert planned.genes_per_block == min(widths[0], planned.n_genes)
        widths.clear()


def test_a_budget_that_holds_no_gene_is_refused():
    with pytest.raises(MemoryError, match=r"raise max_memory"):
        Plan.make((1_000_000, 10), bytes_per_value=12, dense=False, max_memory=1e6, n_threads=1)
