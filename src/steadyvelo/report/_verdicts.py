"""Which directions the data support, in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._embeddings import check_arrows, found_basis
from steadyvelo._adata._fingerprints import current_clusters
from steadyvelo._adata._fit import Fit
from steadyvelo._arguments import public
from steadyvelo.get._pseudotime_orientation import orientations
from steadyvelo.tl._line_choices import without
from steadyvelo.tl._variant import other_size_factors
from steadyvelo.tl._verdicts import SIZES_IN_WORDS

from ._text import joined, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from steadyvelo.get import PseudotimeOrientation

__all__ = ["Judged", "Verdict", "Verdicts", "headline", "section"]

# a sign beside the colour of a verdict, for readers who do not see the colour
_SIGNS = {
    "supported": "✓",
    "weak": "~",
    "contradicted": "✗",
    "not supported": "✗",
    "determined": "✓",
    "reversed": "✗",
    "ok": "✓",
    "not determined": "~",
    "not tested": "~",
    "attention": "~",
    "stop": "✗",
}
_UNTESTED = (
    "Directions were not tested, so it is not known which arrows can be trusted. Fit with "
    'uncertainty="crossfit"{without} and run tl.reliability, or use steadyvelo run{without}, which '
    "does both."
)


@dataclass(frozen=True, eq=False)
class Judged:
    """The results of the tests of directions on one embedding.

    A field is None if its test was not done. `directions` has the settings and results of
    :func:`steadyvelo.tl.direction`; the tables are those of :func:`steadyvelo.tl.reliability`.
    `groupby` is its column of clusters, or empty, and `other_sizes` names the size factors that the
    fit did not use. `orientation` has the tests of pseudotimes, which need no embedding, by lineage
    or under an empty name. `without` names the options of the fit that these tests cannot have.
    """

    directions: dict[str, Any] | None
    clusters: pd.DataFrame | None
    checks: pd.DataFrame | None
    sensitivity: pd.DataFrame | None
    groupby: str
    other_sizes: str = ""
    orientation: dict[str, PseudotimeOrientation] | None = None
    without: str = ""

    @classmethod
    def read(cls, adata: AnnData, key: str, basis: str) -> Self:
        """Read the results for this embedding; results for another embedding are not read."""
        params, fit = _keys.PARAMS.read(adata, key), Fit.read(adata, key)
        others = without(
            gamma_by=fit.options.gamma_by,
            bounded=fit.options.bounded,
            stochastic=fit.options.stochastic is not None,
        )
        directions = params.get("directions", {}).get(basis)
        about = params.get("reliability", {})
        time = None
        if _keys.PSEUDOTIME.is_in(adata, key) and "pseudotime" in params:
            time = orientations(adata, key)
        if directions is None or about.get("basis") != basis:
            untested = None, None, None, ""
            return cls(directions, *untested, orientation=time, without=others)
        fields = (_keys.RELIABILITY, _keys.RELIABILITY_CHECKS, _keys.SENSITIVITY)
        clusters, checks, sensitivity = (field.read(adata, key, default=None) for field in fields)
        today = current_clusters(adata, key, basis)
        if clusters is not None:
            clusters = clusters.rename(index=today)
        if sensitivity is not None:
            sensitivity = sensitivity.rename(columns=today)
        tables = clusters, checks, sensitivity
        sizes = SIZES_IN_WORDS[other_size_factors(fit)]
        return cls(directions, *tables, str(about["groupby"]), sizes, time, others)


@dataclass(frozen=True)
class Verdict:
    """A verdict on a cluster, or of a check."""

    what: str
    verdict: str
    sign: str
    reason: str
    remedy: str = ""
    # the numbers behind the verdict: name and value as text
    numbers: tuple[tuple[str, str], ...] = ()
    # another run may give another verdict
    borderline: bool = False

    @classmethod
    def of(cls, name: Any, row: pd.Series, numbers: tuple[tuple[str, str], ...] = ()) -> Self:
        """Read a row of a table of verdicts."""
        verdict = str(row["verdict"])
        remedy = str(row.get("remedy", "") or "")
        sign, chance = _SIGNS.get(verdict, ""), bool(row.get("borderline", False))
        return cls(str(name), verdict, sign, str(row["reason"]), remedy, numbers, chance)

    @property
    def kind(self) -> str:
        """The verdict as a class of the style sheet."""
        return {"✓": "good", "✗": "bad"}.get(_SIGNS.get(self.verdict, ""), "doubt")

    @property
    def label(self) -> str:
        """The verdict in words."""
        label = "needs attention" if self.verdict == "attention" else self.verdict
        return f"{label}, borderline" if self.borderline else label


@dataclass(frozen=True)
class Verdicts:
    """The first section of the page."""

    headline: list[str]
    groupby: str
    # verdicts on clusters (supported first), on the whole data set and on the quality of counts
    clusters: list[Verdict]
    checks: list[Verdict]
    quality: list[Verdict]
    # cosines under other settings: header with one column per setting, one row per cluster
    sensitivity: tuple[list[str], list[list[str]]] | None


@public
def headline(adata: AnnData, *, basis: str = "auto", velocity_key: str = "velocity") -> list[str]:
    """Return the first sentences of the report: which directions the data support.

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
    A list of two texts: one about directions, one about the quality of the counts.

    Raises
    ------
    KeyError
        If `adata` has no fit, or no arrows on the embedding.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.report.headline(adata)[1]
    'The counts pass all 12 checks.'
    """
    Fit.read(adata, velocity_key)
    basis = found_basis(adata, basis, velocity_key)
    check_arrows(adata, basis, velocity_key)
    return section(adata, Judged.read(adata, velocity_key, basis)).headline


def section(adata: AnnData, judged: Judged) -> Verdicts:
    """Collect the stored results; compute nothing."""
    clusters = [] if judged.clusters is None else _clusters(judged.clusters, judged.other_sizes)
    quality = _rows(_keys.QC.read(adata, default=None))
    sentence = _of_clusters(clusters, judged.groupby) if clusters else _without(judged)
    return Verdicts(
        [sentence, _of_counts(quality)],
        judged.groupby,
        clusters,
        [*_rows(judged.checks), *_of_pseudotime(judged.orientation)],
        quality,
        _sensitivity(judged.sensitivity),
    )


def _of_pseudotime(tested: dict[str, PseudotimeOrientation] | None) -> list[Verdict]:
    """Return the verdicts on the orientation of a pseudotime, if there is one."""
    name = "orientation of the pseudotime"
    return [
        Verdict(f"{name}, {lineage}" if lineage else name, x.verdict, _SIGNS[x.verdict], x.reason)
        for lineage, x in (tested or {}).items()
    ]


def _clusters(table: pd.DataFrame, other_sizes: str) -> list[Verdict]:
    order = table["verdict"].astype(str).map({"supported": 0, "weak": 1, "contradicted": 2})
    order = order.fillna(3)
    rows = table.assign(_order=order).sort_values(["_order", "p_holm"], kind="stable")
    return [
        Verdict.of(name, row, tuple(_numbers(row, other_sizes))) for name, row in rows.iterrows()
    ]


def _numbers(row: pd.Series, other_sizes: str) -> list[tuple[str, str]]:
    """Return the numbers behind a verdict, except those that were not computed."""
    found = [
        ("cells", f"{int(row['cells']):,}"),
        ("p-value (Holm)", number(row["p_holm"], 2)),
        ("significant cells", percent(row["determined"])),
    ]
    if "control_determined" in row:
        share = percent(row["control_determined"])
        found.append(("significant cells in sign-flipped controls", share))
    if row["genes"]:
        found += [
            ("genes with the largest shares of the arrow", str(row["genes"])),
            ("effective number of genes", number(row["effective_genes"], 2)),
            ("share of genes that rise", percent(row["rising"])),
        ]
    retest = f"t = {number(row['retest_t'], 2)}, z = {number(row['retest_z'], 2)}"
    found.append(("retest without a steady state", retest))
    if np.isfinite(row["growth_z"]):
        grows = f"{number(row['growth'], 2)} (z = {number(row['growth_z'], 2)})"
        found.append(("growth of RNA content, in units of the median γ", grows))
    reversal = f"{number(row['reversal_se'], 2)} standard errors"
    found.append(("smallest change of γ that reverses the direction", reversal))
    if "other_sizes_p_holm" in row:
        found.append((f"p-value with {other_sizes}", number(row["other_sizes_p_holm"], 2)))
    if row.get("most_sensitive_to"):
        changed = f"{row['most_sensitive_to']} (median cosine {number(row['least_cosine'], 2)})"
        found.append(("setting that changes the direction most", changed))
    return found


def _rows(table: pd.DataFrame | None) -> list[Verdict]:
    if table is None:
        return []
    return [Verdict.of(name, row) for name, row in table.iterrows()]


def _of_clusters(clusters: list[Verdict], groupby: str) -> str:
    by = {
        verdict: [c.what for c in clusters if c.verdict == verdict]
        for verdict in ("supported", "weak", "contradicted", "not supported")
    }
    n = len(clusters)
    # "clusters (clusters)" would say the same twice
    column = "" if groupby == "clusters" else f" ({groupby})"
    good, weak, without = by["supported"], by["weak"], by["not supported"]
    if n == 1:
        support = "support" if good else "do not support"
        said = [
            f"The data {support} the direction of the only cluster{column}, {clusters[0].what}."
        ]
    elif not good:
        said = [f"The data do not support the direction of any of the {n} clusters{column}."]
    elif len(good) == n:
        every = f"{'both' if n == 2 else f'all {n}'} clusters{column}"
        said = [f"The data support the direction of {every}: {joined(good)}."]
    else:
        some = f"{len(good)} of {n} clusters{column}"
        said = [f"The data support the direction of {some}: {joined(good)}."]
    if weak:
        said.append(
            f"Evidence is weak for {joined(weak)}: a common direction was detected, but a further "
            "check fails."
        )
    if by["contradicted"]:
        said.append(
            f"Unspliced mRNA contradicts the direction of {joined(by['contradicted'])}: a retest "
            "without the assumption of a steady state finds the opposite."
        )
    if without:
        said.append(f"No common direction was detected within {joined(without)}.")
    chance = [c.what for c in clusters if c.borderline]
    if chance:
        said.append(f"Another run may give another verdict on {joined(chance)} (borderline).")
    if len(good) < n:
        others = ""
        if good:
            others = " of the other cluster" + "s" * (n - len(good) > 1)
        said.append(f"Do not interpret the arrows{others}, however clear they look.")
    return " ".join(said)


def _without(judged: Judged) -> str:
    made = judged.directions
    if made is None:
        return _UNTESTED.format(without=judged.without)
    beside = made["determined_in_controls"]
    controls = "" if not np.isfinite(beside) else f" ({percent(beside)} in sign-flipped controls)"
    return (
        f"{percent(made['determined'])} of the cells have a significant direction{controls}. "
        "Clusters were not tested: run tl.reliability with their column of obs."
    )


def _of_counts(quality: list[Verdict]) -> str:
    if not quality:
        return "The counts were not checked: run pp.qc or steadyvelo inspect."
    doubtful = [check for check in quality if check.kind != "good"]
    if not doubtful:
        return f"The counts pass all {len(quality)} checks."
    n = len(quality)
    if len(doubtful) == 1:
        one = doubtful[0]
        return f"Of {n} checks of the counts, one needs attention: {one.what} ({one.reason})."
    names = joined([check.what for check in doubtful])
    return f"Of {n} checks of the counts, {len(doubtful)} need attention: {names}."


def _sensitivity(variants: pd.DataFrame | None) -> tuple[list[str], list[list[str]]] | None:
    if variants is None:
        return None
    header = [str(name) for name in variants.index]
    rows = [[str(name), *(number(x, 2) for x in row)] for name, row in variants.T.iterrows()]
    return header, rows
