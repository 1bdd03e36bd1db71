"""Stored tables, read with their filters."""

from __future__ import annotations

import pandas as pd
import pytest

import steadyvelo as sv


@pytest.fixture(scope="module")
def result():
    adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    with sv.settings.override(verbosity=0):
        result = sv.run(adata, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    sv.tl.rank_velocity_genes(result, "branch")
    sv.tl.compare_ratios(result, "branch", contrast="extremes", uncertainty="sandwich")
    return result


def test_what_is_read_is_what_is_stored_and_a_copy(result):
    for read, key in (
        (sv.get.verdicts, "velocity_reliability"),
        (sv.get.reliability_checks, "velocity_reliability_checks"),
        (sv.get.sensitivity, "velocity_sensitivity"),
        (sv.get.ranked_genes, "velocity_ranked_genes"),
        (sv.get.ratio_differences, "velocity_ratio_differences"),
    ):
        table = read(result)
        pd.testing.assert_frame_equal(table, result.uns[key])
        del table[table.columns[0]]
        assert len(result.uns[key].columns) == len(table.columns) + 1
    directions = sv.get.cluster_directions(result, basis="X_pca")
    pd.testing.assert_frame_equal(directions, result.uns["velocity_direction_pca"])


def test_groups_and_numbers_of_genes(result):
    few = sv.get.ranked_genes(result, ["trunk", "branch 2"], n_genes=4)
    assert few["group"].value_counts().to_dict() == {"trunk": 4, "branch 2": 4}
    every = sv.get.ranked_genes(result, "trunk")
    assert list(few[few["group"] == "trunk"]["gene"]) == list(every["gene"][:4])
    with pytest.raises(KeyError, match="groups 'nobody' are not in the table, which has"):
        sv.get.ranked_genes(result, ["trunk", "nobody"])
    with pytest.raises(KeyError, match="genes 'no gene' are not in the table"):
        sv.get.ratio_differences(result, "no gene")


def test_what_was_not_computed_is_named_with_its_function(prepared):
    sv.tl.velocity(prepared, dense=False)
    for read, function in (
        (sv.get.verdicts, r"tl\.reliability"),
        (sv.get.reliability_checks, r"tl\.reliability"),
        (sv.get.sensitivity, r"tl\.sensitivity"),
        (sv.get.ranked_genes, r"tl\.rank_velocity_genes"),
        (sv.get.ratio_differences, r"tl\.compare_ratios"),
        (sv.get.cluster_directions, r"tl\.direction"),
    ):
        with pytest.raises(KeyError, match=f"run {function}"):
            read(prepared)
    with pytest.raises(
        KeyError, match="adata has no ranked genes for velocity_key='velocity'; run"
    ):
        sv.get.ranked_genes(prepared)


def test_tables_of_another_schema_are_refused(result):
    other = result.copy()
    other.uns["velocity_params"]["directions"]["pca"]["schema"] = 99
    with pytest.raises(ValueError, match="the record of directions on 'pca' for velocity_key="):
        sv.get.cluster_directions(other, basis="pca")
