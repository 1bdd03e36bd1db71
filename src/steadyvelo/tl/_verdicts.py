"""Verdicts on clusters, each with its reason in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._retest_rule import contradiction, doubt_of_retest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FALSE_CALLS", "LEVEL", "SIZES_IN_WORDS", "TURNED", "VERDICTS", "judge", "p_in_words"]

LEVEL = 0.95
# cos 60°: arrows at a larger angle have different directions
TURNED = 0.5
# a smaller share of significant cells does not represent the cluster
_FEW = 0.1
# the test is not reliable if it is significant in more sign-flipped controls than this
FALSE_CALLS = 0.15
_BORDERLINE = "Borderline: with other folds, or with nine tenths of the cells, it may be"
# the methods of pp.size_factors
SIZES_IN_WORDS = {"per_layer": "per-layer size factors", "common": "common size factors"}
VERDICTS = ["supported", "weak", "contradicted", "not supported"]
# how much numbers usually change if all is computed again with nine tenths of the cells, on data
# sets of benchmarks/wrong_models from number 1000 on
_CHANGES = {
    ("retest_t", "retest_z"): (1.0, 0.8),
    ("other_sizes_cosine",): (0.2,),
    ("least_cosine",): (0.15,),
    ("determined",): (0.05,),
    ("control_significant",): (0.1,),
}


def judge(table: pd.DataFrame, basis: str, other_sizes: str) -> None:
    """Add the columns `verdict`, `reason` and `borderline`.

    `other_sizes` names the other size factors.
    """
    rows = [row for _, row in table.iterrows()]
    judged = [verdict_of(row, basis, other_sizes) for row in rows]
    others = [
        _other_verdict(verdict, row, basis, other_sizes)
        for (verdict, _), row in zip(judged, rows, strict=True)
    ]
    table.insert(0, "verdict", pd.Categorical([verdict for verdict, _ in judged], VERDICTS))
    table.insert(
        1,
        "reason",
        [
            f"{reason}{f' {_BORDERLINE} {other}.' if other else ''}"
            for (_, reason), other in zip(judged, others, strict=True)
        ],
    )
    table.insert(2, "borderline", [bool(other) for other in others])


def _other_verdict(verdict: str, row: pd.Series, basis: str, other_sizes: str) -> str:
    """Return a verdict that another run may give; an empty text if none is likely."""
    for changed in _other_runs(row):
        other, _ = verdict_of(changed, basis, other_sizes)
        if other != verdict:
            return other
    return ""


def _other_runs(row: pd.Series) -> Iterator[pd.Series]:
    """Yield the numbers of a cluster with one of them as another run may find it."""
    for name in ("p_holm", "other_sizes_p_holm"):
        for end in ("low", "high"):
            if np.isfinite(row.get(f"{name}_{end}", np.nan)):
                changed = row.copy()
                changed[name] = row[f"{name}_{end}"]
                yield changed
    for names, changes in _CHANGES.items():
        for sign in (-1, 1):
            if all(name in row for name in names):
                changed = row.copy()
                for name, change in zip(names, changes, strict=True):
                    changed[name] = row[name] + sign * change
                yield changed


def verdict_of(row: pd.Series, basis: str, other_sizes: str) -> tuple[str, str]:
    n, p = int(row["cells"]), row["p_holm"]
    if np.isnan(p):
        few = "it has only one cell" if n == 1 else f"too few of its {n:,} cells contribute"
        return "not supported", f"Not tested: {few}."
    if p >= 1 - LEVEL:
        return "not supported", f"No common direction detected among its {n:,} cells (p = {p:.2g})."
    shared = f"Its {n:,} cells share a direction on {basis} ({p_in_words(p)})"
    one = f" It rests on one gene, {row['only_gene']}." if row.get("only_gene") else ""
    if against := contradiction(row):
        return "contradicted", f"{shared}, but {against}.{one}"
    doubts = _doubts(row, other_sizes)
    if doubts:
        return "weak", f"{shared}, but {doubts[0]}.{one}"
    significant = f"{row['determined']:.0%} are also significant individually"
    return "supported", f"{shared}; {significant}.{one}"


def p_in_words(p: float) -> str:
    return f"p = {p:.1g}" if p > 0 else "p < 1e-300"


def _doubts(row: pd.Series, other_sizes: str) -> list[str]:
    """Return reasons to doubt a significant direction of a cluster, the strongest first."""
    doubts = []
    sizes = "it depends on how library sizes are corrected"
    if row.get("control_significant", 0.0) > FALSE_CALLS:
        doubts.append(
            f"this cluster is also significant in {row['control_significant']:.0%} of the "
            "sign-flipped controls"
        )
    if doubt := doubt_of_retest(row):
        doubts.append(doubt)
    if "other_sizes_p_holm" in row:
        if np.isnan(row["other_sizes_p_holm"]):
            doubts.append(f"it could not be tested with {other_sizes}")
        elif not row["other_sizes_p_holm"] < 1 - LEVEL:
            doubts.append(
                f"it is no longer significant with {other_sizes} "
                f"(p = {row['other_sizes_p_holm']:.2g}): {sizes}"
            )
        elif row["other_sizes_cosine"] < TURNED:
            doubts.append(f"it changes by more than 60° with {other_sizes}: {sizes}")
    if "least_cosine" in row and row["least_cosine"] < TURNED:
        doubts.append(
            "its arrows change direction under another setting: "
            f"{row['most_sensitive_to']} (median cosine {row['least_cosine']:.2f})"
        )
    if row["determined"] < _FEW:
        doubts.append(f"only {row['determined']:.0%} are also significant individually")
    return doubts
