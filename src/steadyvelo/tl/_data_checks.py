"""Checks of the whole data set, each with its reason in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys

from ._verdicts import FALSE_CALLS, LEVEL, SIZES_IN_WORDS, TURNED

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["checks_of_data"]

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
# what arrows with these size factors assume
_ASSUME = {
    "per_layer": "that the share of all molecules that are unspliced differs for technical reasons",
    "common": "that both layers are captured equally well in all cells",
}


def checks_of_data(
    adata: AnnData, key: str, basis: str, table: pd.DataFrame, other_sizes: str
) -> pd.DataFrame:
    """Return the checks of the whole data set: value, verdict and reason.

    `other_sizes` is the method of size factors that the fit did not use.
    """
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
    if "other_sizes_p_holm" in table and _significant(table).any():
        rows["size factors"] = _sizes(table, other_sizes)
    in_controls = table.get("control_any_significant")
    if in_controls is not None:
        share = float(in_controls.iloc[0])
        rows["sign-flipped controls"] = (
            share,
            share <= FALSE_CALLS,
            f"{share:.0%} of these controls have a significant cluster; about 5% are expected.",
        )
    agreement = _keys.AGREEMENT.read(adata, key, basis, default=None)
    if agreement is not None:
        middle = float(agreement.median())
        rows["drawn and tested arrows"] = (
            middle,
            middle >= TURNED,
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
    good = few <= TURNED * len(model) and boosts <= _MANY_BOOSTS * len(model)
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


def _significant(table: pd.DataFrame) -> pd.Series:
    return table["p_holm"] < 1 - LEVEL


def _sizes(table: pd.DataFrame, other: str) -> tuple[float, bool, str]:
    """Return the check of size factors: how many significant clusters keep their direction."""
    used = "per_layer" if other == "common" else "common"
    significant = _significant(table)
    keeps = significant & (table["other_sizes_p_holm"] < 1 - LEVEL)
    keeps &= table["other_sizes_cosine"] >= TURNED
    n, of = int(keeps.sum()), int(significant.sum())
    reason = (
        f"Arrows are with {SIZES_IN_WORDS[used]}, which assume {_ASSUME[used]}. With "
        f"{SIZES_IN_WORDS[other]}, which assume {_ASSUME[other]}, {n} of {of} significant clusters "
        "keep their direction."
    )
    return n / of, n == of, reason
