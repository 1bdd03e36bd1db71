"""What the data support, cluster by cluster, with the reason."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._checks import check_adata, check_finite_embedding, writable
from steadyvelo._fitted import Fitted
from steadyvelo._progress import ShowProgress, shown
from steadyvelo._sources import used_cells
from steadyvelo._warnings import SteadyveloWarning
from steadyvelo.engine import count_threads

from ._check_model import write_checks
from ._cluster_directions import labels_of
from ._direction import check_crossfit, check_numbers, cosines, write_directions
from ._direction_support import direction_support
from ._refit import Refit
from ._sensitivity import compare_variants, light_copy, refit_options, with_other_sizes
from ._velocity import velocity
from ._velocity_source import velocity_genes

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

__all__ = ["reliability"]

_LEVEL = 0.95
# cos 60°: arrows that are further apart point elsewhere
_TURNED = 0.5
# under this share of cells with a direction, the sum speaks for few
_FEW = 0.1
# more controls than this with a direction say that the test is not to be trusted here
_FALSE_CALLS = 0.15


def reliability(
    adata: AnnData,
    groupby: str,
    *,
    basis: str = "umap",
    velocity_key: str = "velocity",
    n_controls: int = 50,
    sensitivity: bool = True,
    rng: int = 0,
    max_memory: float | None = None,
    n_threads: int | None = None,
    progress: ShowProgress = False,
) -> None:
    """Say for every cluster whether its direction is supported, and why not.

    Does :func:`steadyvelo.tl.check_model`, :func:`steadyvelo.tl.direction` with controls and
    :func:`steadyvelo.tl.sensitivity`, fits again with the other size factors, and draws the
    conclusions. A direction is

    ``"supported"``
        if the summed votes of the cluster have a direction (5 %, Holm over clusters), have the same
        (within 60°) with size factors common to both layers and with those of each layer, no other
        choice turns the arrows of most of its cells by more than 60°, and at least a tenth of its
        cells have a direction of their own;
    ``"weak"``
        if they have one, but one of the others fails;
    ``"not supported"``
        if they do not.

    Clusters whose cells go apart have no summed direction, whatever their cells do.

    Parameters
    ----------
    adata
        Result of ``tl.velocity(uncertainty="crossfit")`` with an embedding.
    groupby
        Column of ``obs`` with the clusters.
    basis
        Name of the embedding.
    velocity_key
        Prefix of the fit.
    n_controls
        Controls with turned signs; see :func:`steadyvelo.tl.direction`.
    sensitivity
        Ask what changes with other choices; without it a direction rests on the fit alone.
    rng
        Seed of the controls.
    max_memory
        Bytes that gene blocks may take; None means a quarter of what is available, at most 1.5 GB.
    n_threads
        Number of threads; None means all processors.
    progress
        True shows a bar; a function is called with the share done, in (0, 1].

    Returns
    -------
    None. Sets, besides what the functions named above do:

    ``uns["velocity_reliability"]``
        A row per cluster: verdict, reason, cells, p-value (Holm), share of cells with a direction
        in the data and in the controls, p-value and cosine with the other size factors, the choice
        that turns it most and the median cosine under it, and the smallest change of all γ, in
        standard errors, that reverses it.
    ``uns["velocity_reliability_checks"]``
        A row per check of the data set: value, verdict, reason.
    ``uns["velocity_sensitivity"]``
        The table of :func:`steadyvelo.tl.sensitivity`.

    Raises
    ------
    KeyError
        If the fit, the embedding or the column is missing.
    ValueError
        If the fit has no cross-fitted errors, or cells or counts have changed since.

    References
    ----------
    ``docs/uncertainty.md`` derives and measures what this rests on.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=400, n_genes=80, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, uncertainty="crossfit", n_splits=1)
    >>> sv.tl.reliability(adata, "branch", basis="pca", n_controls=5, sensitivity=False)
    >>> adata.uns["velocity_reliability"]["verdict"].isin(["supported", "weak"]).any()
    np.True_
    """
    check_adata(adata)
    threads = count_threads(n_threads)
    basis = basis.removeprefix("X_")
    fitted = Fitted.read(adata, velocity_key)
    check_crossfit(fitted)
    check_finite_embedding(adata, basis)
    labels_of(adata, groupby, used_cells(adata))
    check_numbers(_LEVEL, n_controls, rng)
    chosen = velocity_genes(adata, fitted)
    refit = Refit.of(adata, fitted, np.flatnonzero(~np.isnan(fitted.gamma)))
    common: dict[str, Any] = {"max_memory": max_memory, "n_threads": threads}
    directions: dict[str, Any] = {
        "basis": basis, "groupby": groupby, "level": _LEVEL, "rng": rng, **common,
    }  # fmt: skip
    with shown(progress, "reliability") as report:
        share = _shares(report, 2 if sensitivity else 1)
        write_directions(
            refit.among(chosen), n_controls=n_controls, report=share(0, 0.4), **directions
        )
        write_checks(refit, groupby, report=share(0.4, 1.0), **common)
        table = _clusters(adata, velocity_key, basis)
        variants = None
        if sensitivity:
            _with_other_sizes(table, adata, fitted, directions)
            share(1.0, 1.5)(1.0)
            variants = compare_variants(
                adata, groupby, basis=basis, key=velocity_key, report=share(1.5, 2.0), **common
            )
            _with_variants(table, variants)
    _judge(table, basis)

    writable(adata)
    adata.uns[_keys.RELIABILITY.of(velocity_key)] = table
    adata.uns[_keys.RELIABILITY_CHECKS.of(velocity_key)] = _checks(
        adata, velocity_key, basis, table
    )
    adata.uns.pop(_keys.SENSITIVITY.of(velocity_key), None)
    if variants is not None:
        adata.uns[_keys.SENSITIVITY.of(velocity_key)] = variants


def _shares(
    report: Callable[[float], None] | None, parts: int
) -> Callable[[float, float], Callable[[float], None]]:
    """Return a function that gives each step its stretch of the bar."""

    def stretch(start: float, stop: float) -> Callable[[float], None]:
        def say(done: float) -> None:
            if report is not None:
                report((start + (stop - start) * done) / parts)

        return say

    return stretch


def _clusters(adata: AnnData, key: str, basis: str) -> pd.DataFrame:
    """Return the table of clusters with how much of a change of γ would turn each round."""
    table = adata.uns[_keys.CLUSTER_DIRECTIONS.of(key, basis)].copy()
    table["reversal_se"] = [
        direction_support(adata, str(name), basis=basis, velocity_key=key).standard_errors
        for name in table.index
    ]
    return table


def _with_other_sizes(
    table: pd.DataFrame, adata: AnnData, fitted: Fitted, directions: dict[str, Any]
) -> None:
    """Fit again with the other size factors and add what the clusters do then."""
    params, basis = fitted.params, directions["basis"]
    other = light_copy(adata, fitted, basis)
    with_other_sizes(adata, other, fitted)
    choice = {name: params[name] for name in ("uncertainty", "level", "n_splits", "rng")}
    for name in ("gene_clusters", "batch_key"):
        choice[name] = params.get(name) or None
    if choice["gene_clusters"]:
        other.var[choice["gene_clusters"]] = adata.var[choice["gene_clusters"]]
    table["other_sizes_p_holm"] = table["other_sizes_cosine"] = np.nan
    with warnings.catch_warnings():
        # that there are few velocity genes is said by the verdict
        warnings.simplefilter("ignore", SteadyveloWarning)
        velocity(
            other,
            dense=False,
            max_memory=directions["max_memory"],
            n_threads=directions["n_threads"],
            **refit_options(adata, fitted),
            **choice,
        )
    again = Fitted.read(other, "velocity")
    if again.velocity_genes.sum() < 2:
        return
    refit = Refit.of(other, again, velocity_genes(other, again))
    write_directions(refit, n_controls=0, **directions)
    found = other.uns[_keys.CLUSTER_DIRECTIONS.of("velocity", basis)].reindex(table.index)
    table["other_sizes_p_holm"] = found["p_holm"]
    arrows = [name for name in table if str(name).startswith("arrow_")]
    first, second = table[arrows].to_numpy(), found[arrows].to_numpy()
    table["other_sizes_cosine"] = cosines(first, second)


def _with_variants(table: pd.DataFrame, variants: pd.DataFrame) -> None:
    """Add the choice that turns each cluster's arrows most."""
    # a choice that leaves too few velocity genes, or a cluster without arrows, turns nothing
    cosine = variants.iloc[:, 1:].to_numpy()
    known = np.where(np.isnan(cosine), np.inf, cosine)
    least = known.min(axis=0)
    names = np.asarray(variants.index, dtype=object)[known.argmin(axis=0)]
    table["most_sensitive_to"] = np.where(np.isfinite(least), names, "")
    table["least_cosine"] = np.where(np.isfinite(least), least, np.nan)


def _judge(table: pd.DataFrame, basis: str) -> None:
    """Add verdict and reason."""
    judged = [_verdict(row, basis) for _, row in table.iterrows()]
    table.insert(0, "verdict", pd.Categorical([verdict for verdict, _ in judged], _VERDICTS))
    table.insert(1, "reason", [reason for _, reason in judged])


_VERDICTS = ["supported", "weak", "not supported"]


def _verdict(row: pd.Series, basis: str) -> tuple[str, str]:
    cells = f"its {int(row['cells']):,} cells"
    p = row["p_holm"]
    if not p < 1 - _LEVEL:
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
    """Return what speaks against a direction that the sum of votes has."""
    doubts = []
    if row.get("control_called", 0.0) > _FALSE_CALLS:
        doubts.append(f"so have {row['control_called']:.0%} of the controls without one")
    if "other_sizes_p_holm" in row:
        if np.isnan(row["other_sizes_p_holm"]):
            doubts.append("none can be told with the other kind of size factors")
        elif not row["other_sizes_p_holm"] < 1 - _LEVEL:
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


def _checks(adata: AnnData, key: str, basis: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return what is found of the data set as a whole."""
    made = adata.uns[_keys.PARAMS.of(key)]["directions"][basis]
    chosen = adata.var[_keys.VELOCITY_GENES.of(key)].to_numpy(dtype=bool)
    model = adata.var[_keys.MODEL.of(key)].astype(str)[chosen]
    holds = int((model == "holds").sum())
    determined, control = made["determined"], made["determined_in_controls"]
    beside = f"; {control:.1%} in controls that go nowhere" if np.isfinite(control) else ""
    rows: dict[str, tuple[float, bool, str]] = {
        "cells with a direction": (
            determined,
            determined > 2 * (control if np.isfinite(control) else 1 - _LEVEL),
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
    agreement = _keys.AGREEMENT.of(key, basis)
    if agreement in adata.obs:
        middle = float(adata.obs[agreement].median())
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
