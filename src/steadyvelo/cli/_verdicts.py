"""Quality checks as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo import _keys

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["proportion_lines", "refuse_stop", "verdict_lines"]


def verdict_lines(table: pd.DataFrame) -> list[str]:
    """Return a line per check: verdict, what was found and, after a dash, the remedy."""
    return [
        f"{row.verdict:<5}{row.Index:<18}{row.reason}" + (f" — {row.remedy}" if row.remedy else "")
        for row in table.itertuples()
    ]


def proportion_lines(adata: AnnData) -> list[str]:
    """Return a line per group: its cells and its share of unspliced molecules."""
    table = adata.uns[_keys.QC_PROPORTIONS.of()]
    return [
        f"     {name:<24}{row.n_cells:>8,.0f} cells  {row.unspliced_share:>6.1%} unspliced"
        for name, row in table.iterrows()
    ]


def refuse_stop(table: pd.DataFrame, remedy: str = "") -> None:
    """Refuse to go on where a check says stop."""
    stopped = list(table.index[table["verdict"] == "stop"])
    if stopped:
        msg = f"the data cannot be fitted ({', '.join(stopped)}){remedy}."
        raise ValueError(msg)
