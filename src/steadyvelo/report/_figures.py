"""The pictures of the page, as data in its text, each with words for those who cannot see it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from steadyvelo import _keys, pl
from steadyvelo.pl._axes import panels
from steadyvelo.pl._legend import make_room

from ._text import joined, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from steadyvelo._adata._fit import Fit

    from ._genes import Genes
    from ._verdicts import Judged

__all__ = ["Figure", "all_figures"]

_DPI = 130


@dataclass(frozen=True)
class Figure:
    """A picture as a data URI, what it shows in words, its caption, and its size in pixels."""

    source: str
    alt: str
    caption: str
    width: int
    height: int


def all_figures(
    adata: AnnData, groupby: str | None, basis: str, fit: Fit, genes: Genes, judged: Judged
) -> dict[str, Figure]:
    """Draw the field beside its control, verdicts, proportions and phase portraits."""
    common: dict[str, Any] = {"color": groupby, "velocity_key": fit.key}
    found = {"field": _field(adata, basis, judged, common)}
    if judged.clusters is not None:
        found["reliability"] = _reliability(adata, fit.key, judged.clusters)
    layers = fit.options.spliced, fit.options.unspliced
    if layers == (_keys.SPLICED.of(), _keys.UNSPLICED.of()) and set(layers) <= set(adata.layers):
        found["proportions"] = _proportions(adata, groupby)
    counted = " among those with many counts" if _keys.SHARED_COUNTS.is_in(adata) else ""
    for name, chosen, how in (("best", genes.best, "highest"), ("worst", genes.worst, "lowest")):
        if chosen:
            low, high = (f(adata.var.loc[chosen, _keys.R2.of(fit.key)]) for f in (min, max))
            axes = panels(len(chosen), 4, (2.8, 2.7), margin=1.4, new_figure=Canvas)
            pl.phase_portrait(adata, chosen, ax=axes, **common)
            found[name] = _figure(
                axes[0].figure,
                alt=f"Phase portraits, unspliced against spliced, of the genes with the {how} R²: "
                f"{joined(chosen)}.",
                caption=f"Genes with the {how} R²{counted}: {number(low, 2)} to {number(high, 2)}. "
                "The line is the steady state; cells above it have positive velocity, cells below "
                "it negative velocity."
                + (" Where R² is negative, the line describes less than a mean." * (low < 0)),
            )
    return found


def _field(adata: AnnData, basis: str, judged: Judged, common: dict[str, Any]) -> Figure:
    """Draw the field, beside its control where there is one."""
    where = f"{adata.n_obs:,} cells on {basis}"
    faint = "Directions were not tested."
    if judged.directions is not None:
        faint = (
            f"{percent(judged.directions['determined'])} of the cells have a direction that can be "
            "told from noise; lines are faint where most cells around have none."
        )
    if not _keys.RANDOMIZED.is_in(adata, common["velocity_key"], basis):
        canvas = Canvas(figsize=(7.0, 4.8), layout="constrained")
        pl.velocity_stream(adata, basis=basis, ax=canvas.subplots(), **common)
        return _figure(
            canvas,
            alt=f"Streamlines over {where}. {faint}",
            caption=f"{faint} There is no control: the fit took layers that were smoothed before, "
            "and signs would have to be turned in counts.",
        )
    canvas = Canvas(figsize=(11.5, 4.6), layout="constrained")
    pl.control(adata, basis=basis, ax=canvas.subplots(1, 2), **common)
    return _figure(
        canvas,
        alt=f"Two maps of {where}. Left: streamlines of the data. Right: streamlines of velocities "
        f"whose signs are random, made in the same way. {faint}",
        caption="Left: streamlines of the data. Right: the same of velocities whose sign is random "
        "in every cell; they go nowhere. What both show, smoothing and projection have made. "
        + faint,
    )


def _reliability(adata: AnnData, key: str, table: pd.DataFrame) -> Figure:
    canvas = Canvas(figsize=(7.5, 1.0 + 0.36 * len(table)), layout="constrained")
    pl.reliability(adata, velocity_key=key, ax=canvas.subplots())
    shares = [
        f"{name} {percent(row['determined'])}, {row['verdict']}" for name, row in table.iterrows()
    ]
    line = (
        " The line marks what controls reach that go nowhere."
        if "control_determined" in table
        else ""
    )
    return _figure(
        canvas,
        alt=f"Share of cells with a determined direction: {joined(shares, 100)}.",
        caption="Share of the cells of each cluster whose direction can be told from noise." + line,
    )


def _proportions(adata: AnnData, groupby: str | None) -> Figure:
    n_groups = 1 if groupby is None else adata.obs[groupby].nunique()
    canvas = Canvas(figsize=(7.5, 0.9 + 0.34 * n_groups), layout="constrained")
    ax = pl.proportions(adata, groupby, ax=canvas.subplots())
    # the second kind's bars, and whose they are
    names = [label.get_text() for label in ax.get_yticklabels()]
    shares = [
        f"{name} {percent(bar.get_width())}"
        for name, bar in zip(names, ax.containers[1], strict=True)
    ]
    return _figure(
        canvas,
        alt=f"Shares of unspliced molecules: {joined(shares, 100)}.",
        caption="Shares of the molecules of the genes in this file. 10 to 30 % unspliced are usual "
        "in whole cells, more in nuclei.",
    )


def _figure(canvas: Canvas, *, alt: str, caption: str) -> Figure:
    make_room(canvas)
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=_DPI)
    width, height = (int(x) for x in np.round(canvas.get_size_inches() * _DPI))
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Figure(source, alt, caption, width, height)
