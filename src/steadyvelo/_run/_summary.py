"""The results of a run as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from steadyvelo import _keys

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["refuse_stop", "reliability_lines", "summary_lines"]


def summary_lines(result: AnnData, ratios: str = "") -> list[str]:
    """Return lines on the cells and genes that were used, why others were not, and times.

    If categories of cells have separate ratios, `ratios` is a line about them.
    """
    genes = _keys.ALL_GENES.read(result)
    used = genes[_keys.GENES_USED.of()].to_numpy(dtype=bool)
    good = _keys.VELOCITY_GENES.values(result)
    cells = _keys.CELLS_USED.values(result)
    seconds = _keys.RUN.read(result)["seconds"]
    timed = ", ".join(f"{step} {float(spent):.1f}" for step, spent in seconds.items())
    total = sum(float(spent) for spent in seconds.values())
    return [
        f"cells           {result.n_obs:,}"
        + _reasons(_keys.CELLS_REASON.read(result)[~cells], "left out"),
        f"genes           {used.sum():,} of {len(genes):,} used"
        + _reasons(genes.loc[~used, _keys.GENES_REASON.of()], "not used"),
        f"velocity genes  {good.sum():,} of {used.sum():,}"
        + _reasons(_keys.REASON.read(result)[~good], "others"),
        *([f"ratios          {ratios}"] if ratios else []),
        f"seconds         {total:.1f} ({timed})",
    ]


def reliability_lines(result: AnnData, basis: str) -> list[str]:
    """Return a line per cluster with verdict and reason, or without clusters one for all cells."""
    table = _keys.RELIABILITY.read(result, default=None)
    if table is not None:
        width = max(len(str(name)) for name in table.index) + 2
        lines = [
            f"{row.verdict:<15}{name!s:<{width}}{row.reason}{_genes(row)}"
            for name, row in table.iterrows()
        ]
        checks = _keys.RELIABILITY_CHECKS.read(result)
        lines += [f"{row.verdict:<15}{name}: {row.reason}" for name, row in checks.iterrows()]
        return lines
    made = _keys.PARAMS.read(result).get("directions", {}).get(basis)
    if made is None:
        return []
    line = (
        f"{made['determined']:.0%} of the cells have a significant direction on {basis}; "
        f"{made['determined_in_controls']:.1%} do in sign-flipped controls. No clusters were "
        "given, so there are no verdicts."
    )
    return [line]


def refuse_stop(table: pd.DataFrame, remedy: str = "") -> None:
    """Raise an error if the verdict of a quality check is "stop"."""
    stopped = list(table.index[table["verdict"] == "stop"])
    if stopped:
        msg = f"the data fail quality checks ({', '.join(stopped)}){remedy}."
        raise ValueError(msg)


def _genes(row: Any) -> str:
    """Return the genes that carry the arrow of a cluster, if a direction was detected."""
    if row.verdict == "not supported" or not row.genes:
        return ""
    return f" Genes: {row.genes} (effective number {row.effective_genes:.1f})."


def _reasons(reasons: Any, verb: str) -> str:
    counts = pd.Series(reasons).astype(str).value_counts()
    if counts.empty:
        return ""
    return f"; {verb}: " + ", ".join(f"{reason} ({n:,})" for reason, n in counts.items())
