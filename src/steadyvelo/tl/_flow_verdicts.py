"""Verdicts on net flows between clusters, by the retest of those on clusters.

Reasons name no cluster, because clusters may be renamed later.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ._retest_rule import RETEST, contradiction, doubt_of_retest, statistics_of_retest
from ._verdicts import VERDICTS, p_in_words

__all__ = ["flow_verdict", "judge_flows"]


def judge_flows(table: pd.DataFrame, level: float, not_retested: str) -> pd.DataFrame:
    """Return the table of flows with the columns `verdict` and `reason`.

    `not_retested` says why flows could not be retested; an empty text if they were.
    """
    judged = [flow_verdict(row, level, not_retested) for _, row in table.iterrows()]
    return table.assign(
        verdict=pd.Categorical([verdict for verdict, _ in judged], VERDICTS),
        reason=[reason for _, reason in judged],
    )


def flow_verdict(row: pd.Series, level: float, not_retested: str) -> tuple[str, str]:
    """Return the verdict on a flow from source to target, and its reason."""
    if not row["significant"]:
        return "not supported", f"{_why_not_significant(row, level)}."
    more = f"More steps lead to the target than back ({p_in_words(row['p_holm'])})"
    if against := contradiction(row):
        return "contradicted", f"{more}, but {against}."
    without = f"it could not be confirmed by {RETEST}: {not_retested}" if not_retested else ""
    if doubt := without or doubt_of_retest(row):
        return "weak", f"{more}, but {doubt}."
    return "supported", f"{more}; {RETEST} confirms it{statistics_of_retest(row)}."


def _why_not_significant(row: pd.Series, level: float) -> str:
    p = row["p_holm"]
    if np.isnan(p):
        return "Not tested: too few cells of the two clusters contribute"
    if p >= 1 - level:
        return f"No net flow detected (p = {p:.2g})"
    if row["net"] <= 0:
        return "More steps lead back than to the target"
    if row["t"] <= 0:
        return (
            "More steps lead to the target than back, but the test by folds finds the opposite "
            f"direction (t = {row['t']:.1f})"
        )
    return "Cells of the source do not prefer steps to the target"
