"""What the retest without a steady state says about an arrow or a flow, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RETEST", "contradiction", "doubt_of_retest", "statistics_of_retest"]

RETEST = "a retest without the assumption of a steady state"
# one of the statistics must be as large to support a direction; the second is as small if
# unspliced mRNA contradicts it
_LEAST_T, _LEAST_Z, _AGAINST_Z = 3.0, 2.5, -2.0


def contradiction(row: pd.Series) -> str:
    """Return how the retest contradicts a direction; an empty text if it does not."""
    if not row.get("retest_z", 0.0) <= _AGAINST_Z:
        return ""
    return (
        f"unspliced mRNA contradicts it: {RETEST} finds the opposite direction "
        f"(z = {row['retest_z']:.1f})"
    )


def doubt_of_retest(row: pd.Series) -> str:
    """Return that the retest does not confirm a direction; an empty text if it does."""
    if "retest_z" not in row or row["retest_t"] >= _LEAST_T or row["retest_z"] >= _LEAST_Z:
        return ""
    return f"{RETEST} does not confirm it{statistics_of_retest(row)}"


def statistics_of_retest(row: pd.Series) -> str:
    """Return the statistics in brackets; an empty text if they could not be computed."""
    if not np.isfinite(row["retest_z"]):
        return ""
    return f" (t = {row['retest_t']:.1f}, z = {row['retest_z']:.1f})"
