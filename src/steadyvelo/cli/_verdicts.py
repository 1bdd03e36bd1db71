"""Quality checks as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo import _keys

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["proportion_lines", "refuse_stop", "reliability_lines", "verdict_lines"]


def verdict_lines(table: pd.DataFrame) -> list[str]:
    """Return a line per check: verdict, what was found and, after a dash, the remedy."""
    return [
        f"{row.verdict:<5}{row.Index:<18}{row.reason}" + (f" — {row.remedy}" if row.remedy else "")
        for row in table.itertuples()
    ]


def proportion_lines(adata: AnnData) -> list[str]:
    """Return a line per group: its cells and its share of unspliced molecules."""
    table = _keys.QC_PROPORTIONS.read(adata)
    return [
        f"     {name:<24}{row.n_cells:>8,.0f} cells  {row.unspliced_share:>6.1%} unspliced"
        for name, row in table.iterrows()
    ]


def reliability_lines(result: AnnData, basis: str) -> list[str]:
    """Return a line per cluster: verdict and reason; and one for the cells without clusters."""
    basis = basis.removeprefix("X_")
    table = _keys.RELIABILITY.read(result, default=None)
    if table is not None:
        width = max(len(str(name)) for name in table.index) + 2
        lines = [
            f"{row.verdict:<15}{name!s:<{width}}{row.reason}" for name, row in table.iterrows()
        ]
        checks = _keys.RELIABILITY_CHECKS.read(result)
        lines += [f"{row.verdict:<15}{name}: {row.reason}" for name, row in checks.iterrows()]
        return lines
    made = _keys.PARAMS.read(result).get("directions", {}).get(basis)
    if made is None:
        return []
    line = (
        f"{made['determined']:.0%} of the cells have a direction on {basis}; "
        f"{made['determined_in_controls']:.1%} do in controls that go nowhere. Clusters get a "
        "verdict where --clusters names their column."
    )
    return [line]


def refuse_stop(table: pd.DataFrame, remedy: str = "") -> None:
    """Refuse to go on where a check says stop."""
    stopped = list(table.index[table["verdict"] == "stop"])
    if stopped:
        msg = f"the data cannot be fitted ({', '.join(stopped)}){remedy}."
        raise ValueError(msg)
