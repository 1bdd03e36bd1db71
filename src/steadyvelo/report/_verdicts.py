"""What the data support, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._embeddings import check_arrows
from steadyvelo._adata._fit import Fit
from steadyvelo._arguments import public
from steadyvelo.pl._found import found_basis

from ._text import joined, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["Judged", "Verdict", "Verdicts", "headline", "section"]

# what stands for a verdict beside its colour
_SIGNS = {
    "supported": "✓",
    "weak": "~",
    "not supported": "✗",
    "ok": "✓",
    "good": "✓",
    "look": "~",
    "stop": "✗",
}
_UNTESTED = (
    "Nothing here says whether an arrow can be trusted: directions were not tested. Fit with "
    'uncertainty="crossfit" and run tl.reliability, or use steadyvelo run, which does both.'
)


@dataclass(frozen=True, eq=False)
class Judged:
    """What was tested of the directions on an embedding, read in one place.

    None where nothing was. `directions` says how :func:`steadyvelo.tl.direction` tested, the tables
    are those of :func:`steadyvelo.tl.reliability`, and `groupby` is its column, or empty.
    """

    directions: dict[str, Any] | None
    clusters: pd.DataFrame | None
    checks: pd.DataFrame | None
    sensitivity: pd.DataFrame | None
    groupby: str

    @classmethod
    def read(cls, adata: AnnData, key: str, basis: str) -> Self:
        """Read what is about this embedding, and nothing that is about another."""
        params = _keys.PARAMS.read(adata, key)
        directions = params.get("directions", {}).get(basis)
        about = params.get("reliability", {})
        if directions is None or about.get("basis") != basis:
            return cls(directions, None, None, None, "")
        fields = (_keys.RELIABILITY, _keys.RELIABILITY_CHECKS, _keys.SENSITIVITY)
        tables = [field.read(adata, key, default=None) for field in fields]
        return cls(directions, *tables, str(about["groupby"]))


@dataclass(frozen=True)
class Verdict:
    """One judgement: about a cluster or a check of the data."""

    what: str
    verdict: str
    sign: str
    reason: str
    remedy: str = ""
    # what it rests on, name and value as text
    numbers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, name: Any, row: pd.Series, numbers: tuple[tuple[str, str], ...] = ()) -> Self:
        """Read a row of a table of verdicts."""
        verdict = str(row["verdict"])
        remedy = str(row.get("remedy", "") or "")
        return cls(str(name), verdict, _SIGNS.get(verdict, ""), str(row["reason"]), remedy, numbers)

    @property
    def kind(self) -> str:
        """The verdict as a class of the style sheet."""
        good = {"supported", "ok", "good"}
        return "good" if self.verdict in good else {"✗": "bad"}.get(self.sign, "doubt")


@dataclass(frozen=True)
class Verdicts:
    """The first section of the page."""

    headline: list[str]
    groupby: str
    # of each cluster, the supported ones first, of the directions as a whole, and of the counts
    clusters: list[Verdict]
    checks: list[Verdict]
    quality: list[Verdict]
    # header and rows of the cosines under other choices: a column each, a row per cluster
    sensitivity: tuple[list[str], list[list[str]]] | None


@public
def headline(adata: AnnData, *, basis: str = "auto", velocity_key: str = "velocity") -> list[str]:
    """Return what the data support in a few sentences, as the report begins.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.run`, or of :func:`steadyvelo.tl.velocity_embedding`.
    basis
        Name of the embedding; ``"auto"`` takes the one that got its arrows last.
    velocity_key
        Prefix of the result.

    Returns
    -------
    One text about directions, one about the counts.

    Raises
    ------
    KeyError
        If there is no fit, or no arrows on the embedding.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.report.headline(adata)[1]
    'The counts were not checked: run pp.qc, or steadyvelo inspect.'
    """
    Fit.read(adata, velocity_key)
    basis = found_basis(adata, basis, velocity_key)
    check_arrows(adata, basis, velocity_key)
    return section(adata, Judged.read(adata, velocity_key, basis)).headline


def section(adata: AnnData, judged: Judged) -> Verdicts:
    """Collect what was found before; compute nothing."""
    clusters = [] if judged.clusters is None else _clusters(judged.clusters)
    quality = _rows(_keys.QC.read(adata, default=None))
    sentence = _of_clusters(clusters, judged.groupby) if clusters else _without(judged)
    return Verdicts(
        [sentence, _of_counts(quality)],
        judged.groupby,
        clusters,
        _rows(judged.checks),
        quality,
        _sensitivity(judged.sensitivity),
    )


def _clusters(table: pd.DataFrame) -> list[Verdict]:
    order = table["verdict"].astype(str).map({"supported": 0, "weak": 1}).fillna(2)
    rows = table.assign(_order=order).sort_values(["_order", "p_holm"], kind="stable")
    return [Verdict.of(name, row, tuple(_numbers(row))) for name, row in rows.iterrows()]


def _numbers(row: pd.Series) -> list[tuple[str, str]]:
    """Return what a verdict rests on; what was not computed is left out."""
    found = [
        ("cells", f"{int(row['cells']):,}"),
        ("p (Holm)", number(row["p_holm"], 2)),
        ("cells with a direction", percent(row["determined"])),
    ]
    if "control_determined" in row:
        found.append(("the same in controls", percent(row["control_determined"])))
    reversal = f"{number(row['reversal_se'], 2)} standard errors"
    found.append(("change of γ that reverses it", reversal))
    if "other_sizes_p_holm" in row:
        found.append(("p with the other size factors", number(row["other_sizes_p_holm"], 2)))
    if row.get("most_sensitive_to"):
        turned = f"{row['most_sensitive_to']} (cosine {number(row['least_cosine'], 2)})"
        found.append(("turned most by", turned))
    return found


def _rows(table: pd.DataFrame | None) -> list[Verdict]:
    if table is None:
        return []
    return [Verdict.of(name, row) for name, row in table.iterrows()]


def _of_clusters(clusters: list[Verdict], groupby: str) -> str:
    by = {
        verdict: [c.what for c in clusters if c.verdict == verdict]
        for verdict in ("supported", "weak", "not supported")
    }
    n = len(clusters)
    # "of clusters" would be said twice
    column = "" if groupby == "clusters" else f" of {groupby}"
    among = f"{n} clusters{column}" if n > 1 else f"the one cluster{column}"
    good = by["supported"]
    if not good:
        said = [f"The data support the direction of none of the {among}."]
        if n == 1:
            said = [f"The data do not support the direction of {among}."]
    elif len(good) == n:
        said = [f"The data support the direction of all {among}: {joined(good)}."]
        if n == 1:
            said = [f"The data support the direction of {among}, {good[0]}."]
    else:
        said = [f"The data support the direction of {len(good)} of {among}: {joined(good)}."]
    if by["weak"]:
        said.append(f"Weak, since it rests on a choice or on few cells: {joined(by['weak'])}.")
    if by["not supported"]:
        said.append(f"The cells of {joined(by['not supported'])} have no common direction.")
    if good and len(good) < n:
        said.append("Arrows of the others are no finding, however clear they look.")
    return " ".join(said)


def _without(judged: Judged) -> str:
    made = judged.directions
    if made is None:
        return _UNTESTED
    beside = made["determined_in_controls"]
    controls = "" if not np.isfinite(beside) else f", {percent(beside)} in controls that go nowhere"
    return (
        f"{percent(made['determined'])} of the cells have a direction that can be told from "
        f"noise{controls}. No clusters were judged: tl.reliability does, with the column that "
        "holds them."
    )


def _of_counts(quality: list[Verdict]) -> str:
    if not quality:
        return "The counts were not checked: run pp.qc, or steadyvelo inspect."
    doubtful = [check for check in quality if check.kind != "good"]
    if not doubtful:
        return f"The counts pass all {len(quality)} checks."
    n = len(quality)
    if len(doubtful) == 1:
        one = doubtful[0]
        return f"Of {n} checks of the counts, one wants a look, {one.what}: {one.reason}."
    names = joined([check.what for check in doubtful])
    return f"Of {n} checks of the counts, {len(doubtful)} want a look: {names}."


def _sensitivity(variants: pd.DataFrame | None) -> tuple[list[str], list[list[str]]] | None:
    if variants is None:
        return None
    header = [str(name) for name in variants.index]
    rows = [[str(name), *(number(x, 2) for x in row)] for name, row in variants.T.iterrows()]
    return header, rows
