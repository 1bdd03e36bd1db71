"""Verdicts on net flows, with the thresholds of those on clusters."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from steadyvelo.tl._flow_verdicts import flow_verdict, judge_flows
from steadyvelo.tl._verdicts import verdict_of
from tests.tl.test_reliability import OTHER, RETEST
from tests.tl.test_reliability import ROW as CLUSTER

ROW = {
    "significant": True,
    "p_holm": 1e-6,
    "net": 0.4,
    "t": 5.0,
    "preference": 0.3,
    "retest_t": 4.0,
    "retest_z": 3.0,
}
LEAD = "More steps lead to the target than back"
MORE = f"{LEAD} (p = 1e-06)"
AGAINST = f"unspliced mRNA contradicts it: a {RETEST} finds the opposite direction"


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({}, "supported", f"{MORE}; a {RETEST} confirms it (t = 4.0, z = 3.0)."),
        (
            {"retest_t": 2.9, "retest_z": 2.4},
            "weak",
            f"{MORE}, but a {RETEST} does not confirm it (t = 2.9, z = 2.4).",
        ),
        (
            {"retest_t": np.nan, "retest_z": np.nan},
            "weak",
            f"{MORE}, but a {RETEST} does not confirm it.",
        ),
        (
            {"retest_z": -2.0},
            "contradicted",
            f"{MORE}, but {AGAINST} (z = -2.0).",
        ),
        ({"significant": False, "p_holm": 0.2}, "not supported", "No net flow detected (p = 0.2)."),
        (
            {"significant": False, "p_holm": np.nan},
            "not supported",
            "Not tested: too few cells of the two clusters contribute.",
        ),
        (
            {"significant": False, "net": -0.4, "t": -5.0},
            "not supported",
            "More steps lead back than to the target.",
        ),
        (
            {"significant": False, "t": -3.0},
            "not supported",
            f"{LEAD}, but the test by folds finds the opposite direction (t = -3.0).",
        ),
        (
            {"significant": False, "preference": -0.1},
            "not supported",
            "Cells of the source do not prefer steps to the target.",
        ),
    ],
)
def test_every_verdict_has_its_sentence(change, verdict, reason):
    row = pd.Series({**ROW, **change})
    assert flow_verdict(row, 0.95, "") == (verdict, reason)


def test_without_a_retest_no_flow_is_supported():
    row = pd.Series({**ROW, "retest_t": np.nan, "retest_z": np.nan})
    verdict, reason = flow_verdict(row, 0.95, "the fit has no cross-fitted errors")
    assert verdict == "weak"
    assert reason == (
        f"{MORE}, but it could not be confirmed by a {RETEST}: the fit has no cross-fitted errors."
    )


def test_thresholds_are_those_of_clusters():
    nan = np.nan
    for t, z in itertools.product((-4, 2.9, 3.0, nan), (nan, -2.0, -1.9, 2.4, 2.5)):
        change = {"retest_t": t, "retest_z": z}
        of_flow, _ = flow_verdict(pd.Series({**ROW, **change}), 0.95, "")
        of_cluster, _ = verdict_of(pd.Series({**CLUSTER, **change}), "umap", OTHER)
        assert of_flow == of_cluster


def test_a_table_gets_the_verdict_of_each_row():
    table = pd.DataFrame([ROW, {**ROW, "retest_t": 0.0, "retest_z": 0.0}])
    judged = judge_flows(table, 0.95, "")
    assert judged["verdict"].tolist() == ["supported", "weak"]
    assert list(judged["verdict"].cat.categories) == [
        *("supported", "weak", "contradicted", "not supported")
    ]
    assert judged["reason"].str.startswith(MORE).all()
    assert "verdict" not in table
    assert len(judge_flows(table[:0], 0.95, "")) == 0
