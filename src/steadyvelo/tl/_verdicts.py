"""From what was measured to a verdict and the reason in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["LEVEL", "checks_of_data", "judge"]

LEVEL = 0.95
# cos 60°: arrows that are further apart point elsewhere
_TURNED = 0.5
# under this share of cells with a direction, the sum speaks for few
_FEW = 0.1
# more controls than this with a direction say that the test is not to be trusted here
_FALSE_CALLS = 0.15
_VERDICTS = ["supported", "weak", "not supported"]


def judge(table: pd.DataFrame, basis: str) -> None:
    """Add verdict and reason."""
    judged = [verdict_of(row, basis) for _, row in table.iterrows()]
    table.insert(0, "verdict", pd.Categorical([verdict for verdict, _ in judged], _VERDICTS))
    table.insert(1, "reason", [reason for _, reason in judged])


def verdict_of(row: pd.Series, basis: str) -> tuple[str, str]:
    cells = f"its {int(row['cells']):,} cells"
    p = row["p_holm"]
    if not p < 1 - LEVEL:
        known = f"p = {p:.2g}" if np.isfinite(p) else "fewer cells than a test needs"
        return (
            "not supported",
            f"The summed votes of {cells} have no direction ({known}).",
        )
    doubts = _doubts(row)
    if doubts:
        return (
            "weak",
            f"The summed votes of {cells} have a direction (p = {p:.1g}), but {doubts[0]}.",
        )
    return "supported", (
        f"The summed votes of {cells} have a direction on {basis} (p = {p:.1g}), and "
        f"{row['determined']:.0%} of the cells have one of their own."
    )


def _doubts(row: pd.Series) -> list[str]:
    """Return what speaks against a direction that the sum of contributions has."""
    doubts = []
    if row.get("control_called", 0.0) > _FALSE_CALLS:
        doubts.append(f"so have {row['control_called']:.0%} of the controls without one")
    if "other_sizes_p_holm" in row:
        if np.isnan(row["other_sizes_p_holm"]):
            doubts.append("none can be told with the other kind of size factors")
        elif not row["other_sizes_p_holm"] < 1 - LEVEL:
            doubts.append(
                "none with the other kind of size factors "
                f"(p = {row['other_sizes_p_holm']:.2g}): it rests on library sizes"
            )
        elif row["other_sizes_cosine"] < _TURNED:
            doubts.append("another with the other kind of size factors: it rests on library sizes")
    if "least_cosine" in row and row["least_cosine"] < _TURNED:
        doubts.append(
            f"its arrows turn with {row['most_sensitive_to']} "
            f"(median cosine {row['least_cosine']:.2f})"
        )
    if row["determined"] < _FEW:
        doubts.append(f"only {row['determined']:.0%} of the cells have one of their own")
    return doubts


def checks_of_data(adata: AnnData, key: str, basis: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return what is found of the data set as a whole."""
    made = _keys.PARAMS.read(adata, key)["directions"][basis]
    chosen = _keys.VELOCITY_GENES.values(adata, key)
    model = _keys.MODEL.read(adata, key).astype(str)[chosen]
    holds = int((model == "holds").sum())
    determined, control = made["determined"], made["determined_in_controls"]
    beside = f"; {control:.1%} in controls that go nowhere" if np.isfinite(control) else ""
    rows: dict[str, tuple[float, bool, str]] = {
        "cells with a direction": (
            determined,
            determined > 2 * (control if np.isfinite(control) else 1 - LEVEL),
            f"{determined:.0%} of the cells{beside}.",
        ),
        "model holds": (
            holds / len(model),
            holds >= _TURNED * len(model),
            f"{holds:,} of {len(model):,} velocity genes pass every check; {_most(model)}.",
        ),
    }
    called = table.get("control_any_called")
    if called is not None:
        rows["controls with a cluster called moving"] = (
            float(called.iloc[0]),
            float(called.iloc[0]) <= _FALSE_CALLS,
            f"{float(called.iloc[0]):.0%} of the controls; about 5 % are expected.",
        )
    agreement = _keys.AGREEMENT.read(adata, key, basis, default=None)
    if agreement is not None:
        middle = float(agreement.median())
        rows["drawn arrows agree with linear ones"] = (
            middle,
            middle >= _TURNED,
            f"median cosine {middle:.2f} between the arrows that are drawn and those with errors.",
        )
    return pd.DataFrame(
        {
            "value": [value for value, _, _ in rows.values()],
            "verdict": ["good" if good else "look" for _, good, _ in rows.values()],
            "reason": [reason for _, _, reason in rows.values()],
        },
        index=pd.Index(list(rows), name="check"),
    )


def _most(model: pd.Series) -> str:
    """Return the most frequent failures, by name."""
    failed = model[(model != "holds") & (model != "")].str.split("; ").explode().value_counts()
    return ", ".join(f"{n:,} {name}" for name, n in failed.items()) or "none"
