"""Verdicts on clusters and checks of the data, each with its reason in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

__all__ = ["LEVEL", "SIZES_IN_WORDS", "checks_of_data", "judge"]

LEVEL = 0.95
# cos 60°: arrows at a larger angle have different directions
_TURNED = 0.5
# a smaller share of significant cells does not represent the cluster
_FEW = 0.1
# the test is not reliable if it is significant in more sign-flipped controls than this
_FALSE_CALLS = 0.15
_BORDERLINE = "Borderline: with other folds, or with nine tenths of the cells, it may be"
# the methods of pp.size_factors
SIZES_IN_WORDS = {"per_layer": "per-layer size factors", "common": "common size factors"}
# more genes whose ratio is too large, and more growth, than a true model has by chance
_MANY_BOOSTS = 0.2
_SOME_GROWTH, _GROWTH_ERRORS = 0.08, 2.0
# what a check that fails says of the arrow
_MEANING = {
    "boost": (
        "their upper cells still gain spliced mRNA, so γ is too large, and cells with less of it "
        "seem to lose mRNA"
    ),
    "few molecules": "their γ is not precise, nor is their part of the arrow",
    "one cluster": (
        "their γ is the ratio of that cluster, and is wrong if this cluster is not at steady state"
    ),
}
_VERDICTS = ["supported", "weak", "contradicted", "not supported"]
# statistics of the retest without a steady state: one of them must be as large to support a
# direction; the second is as small if unspliced mRNA contradicts it
_LEAST_T, _LEAST_Z, _AGAINST_Z = 3.0, 2.5, -2.0
# how much numbers change if all is computed again with nine tenths of the cells: two standard
# deviations, in all but a tenth of the clusters
_CHANGES = {
    ("retest_t", "retest_z"): (1.0, 0.8),
    ("other_sizes_cosine",): (0.2,),
    ("least_cosine",): (0.15,),
    ("determined",): (0.03,),
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
    table.insert(0, "verdict", pd.Categorical([verdict for verdict, _ in judged], _VERDICTS))
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
    shared = f"Its {n:,} cells share a direction on {basis} ({_p_value(p)})"
    one = f" It rests on one gene, {row['only_gene']}." if row.get("only_gene") else ""
    if row.get("retest_z", 0.0) <= _AGAINST_Z:
        return "contradicted", (
            f"{shared}, but unspliced mRNA contradicts it: a retest without the assumption of a "
            f"steady state finds the opposite direction (z = {row['retest_z']:.1f}).{one}"
        )
    doubts = _doubts(row, other_sizes)
    if doubts:
        return "weak", f"{shared}, but {doubts[0]}.{one}"
    significant = f"{row['determined']:.0%} are also significant individually"
    return "supported", f"{shared}; {significant}.{one}"


def _p_value(p: float) -> str:
    return f"p = {p:.1g}" if p > 0 else "p < 1e-300"


def _doubts(row: pd.Series, other_sizes: str) -> list[str]:
    """Return reasons to doubt a significant direction of a cluster, the strongest first."""
    doubts = []
    sizes = "it depends on how library sizes are corrected"
    if row.get("control_significant", 0.0) > _FALSE_CALLS:
        doubts.append(
            f"this cluster is also significant in {row['control_significant']:.0%} of the "
            "sign-flipped controls"
        )
    if "retest_z" in row and not (row["retest_t"] >= _LEAST_T or row["retest_z"] >= _LEAST_Z):
        known = np.isfinite(row["retest_z"])
        numbers = f" (t = {row['retest_t']:.1f}, z = {row['retest_z']:.1f})" if known else ""
        doubts.append(
            f"a retest without the assumption of a steady state does not confirm it{numbers}"
        )
    if "other_sizes_p_holm" in row:
        if np.isnan(row["other_sizes_p_holm"]):
            doubts.append(f"it could not be tested with {other_sizes}")
        elif not row["other_sizes_p_holm"] < 1 - LEVEL:
            doubts.append(
                f"it is no longer significant with {other_sizes} "
                f"(p = {row['other_sizes_p_holm']:.2g}): {sizes}"
            )
        elif row["other_sizes_cosine"] < _TURNED:
            doubts.append(f"it changes by more than 60° with {other_sizes}: {sizes}")
    if "least_cosine" in row and row["least_cosine"] < _TURNED:
        doubts.append(
            "its arrows change direction under another setting: "
            f"{row['most_sensitive_to']} (median cosine {row['least_cosine']:.2f})"
        )
    if row["determined"] < _FEW:
        doubts.append(f"only {row['determined']:.0%} are also significant individually")
    return doubts


def checks_of_data(adata: AnnData, key: str, basis: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the checks of the whole data set: value, verdict and reason."""
    made = _keys.PARAMS.read(adata, key)["directions"][basis]
    chosen = _keys.VELOCITY_GENES.values(adata, key)
    model = _keys.MODEL.read(adata, key).astype(str)[chosen]
    determined, control = made["determined"], made["determined_in_controls"]
    beside = f" ({control:.1%} in sign-flipped controls)" if np.isfinite(control) else ""
    rows: dict[str, tuple[float, bool, str]] = {
        "significant cells": (
            determined,
            # few controls may have a smaller share by chance than the level of the test
            determined > 2 * max(control if np.isfinite(control) else 0.0, 1 - LEVEL),
            f"{determined:.0%} of the cells have a significant direction{beside}.",
        ),
        "steady-state model": _model(model),
    }
    if table["growth_z"].notna().any():
        rows["growth"] = _growth(table)
    in_controls = table.get("control_any_significant")
    if in_controls is not None:
        share = float(in_controls.iloc[0])
        rows["sign-flipped controls"] = (
            share,
            share <= _FALSE_CALLS,
            f"{share:.0%} of these controls have a significant cluster; about 5% are expected.",
        )
    agreement = _keys.AGREEMENT.read(adata, key, basis, default=None)
    if agreement is not None:
        middle = float(agreement.median())
        rows["drawn and tested arrows"] = (
            middle,
            middle >= _TURNED,
            f"Median cosine {middle:.2f} between the drawn and the tested arrow of a cell.",
        )
    return pd.DataFrame(
        {
            "value": [value for value, _, _ in rows.values()],
            "verdict": ["ok" if good else "attention" for _, good, _ in rows.values()],
            "reason": [reason for _, _, reason in rows.values()],
        },
        index=pd.Index(list(rows), name="check"),
    )


def _model(model: pd.Series) -> tuple[float, bool, str]:
    """Return the check of velocity genes from the names of the checks that each of them fails."""
    holds = int((model == "holds").sum())
    failed = model[(model != "holds") & (model != "")].str.split("; ").explode().value_counts()
    said = [f"{holds:,} of {len(model):,} velocity genes pass all model checks."]
    said += [f"{n:,} fail “{name}”: {_MEANING[name]}." for name, n in failed.items()]
    # a gene may rest on one cluster under a true model, too
    few, boosts = failed.get("few molecules", 0), failed.get("boost", 0)
    good = few <= _TURNED * len(model) and boosts <= _MANY_BOOSTS * len(model)
    return holds / len(model), good, " ".join(said)


def _growth(table: pd.DataFrame) -> tuple[float, bool, str]:
    """Return the check of the growth of clusters: how many of them grow or shrink."""
    growth, error = table["growth"], (table["growth"] / table["growth_z"]).abs()
    grows = growth.abs() - _GROWTH_ERRORS * error > _SOME_GROWTH
    if not grows.any():
        return 0.0, True, "No cluster was found whose RNA content grows or shrinks."
    named = ", ".join(f"{name} ({rate:+.2f})" for name, rate in growth[grows].items())
    reason = (
        f"RNA content grows or shrinks in {named}, relative to the mean of all clusters and to a "
        "typical rate of degradation: the velocities of all genes have a part in proportion to "
        "expression there. This part of the arrow shows no change of cell state. Per-layer size "
        "factors remove it."
    )
    return float(grows.sum()), False, reason
