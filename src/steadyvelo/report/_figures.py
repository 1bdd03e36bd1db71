"""The figures of the page as data URIs, each with a description in words."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from steadyvelo import _keys, get, pl
from steadyvelo._adata._embeddings import check_finite_embedding
from steadyvelo.get._control_agreement import chance_agreement
from steadyvelo.pl._axes import map_size, panels
from steadyvelo.pl._legend import make_room
from steadyvelo.pl._save import save_png

from ._text import joined, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from steadyvelo._adata._fit import Fit

    from ._genes import Genes
    from ._verdicts import Judged

__all__ = ["Figure", "all_figures"]

_DPI = 130
# panels of the velocity field: larger side, inches, number side by side, and density of lines
_PANEL, _COLUMNS, _DENSITY = 3.8, 3, 0.8


@dataclass(frozen=True)
class Figure:
    """A figure as a data URI, its description in words, its caption and its size in pixels."""

    source: str
    alt: str
    caption: str
    width: int
    height: int


def all_figures(
    adata: AnnData, groupby: str | None, basis: str, fit: Fit, genes: Genes, judged: Judged
) -> dict[str, Figure]:
    """Draw the velocity field beside its controls, verdicts, proportions and phase portraits."""
    common: dict[str, Any] = {"color": groupby, "velocity_key": fit.key}
    found = {"field": _field(adata, basis, judged, common)}
    if judged.clusters is not None:
        found["reliability"] = _reliability(adata, fit.key, judged.clusters)
    layers = fit.options.spliced, fit.options.unspliced
    if layers == (_keys.SPLICED.of(), _keys.UNSPLICED.of()) and set(layers) <= set(adata.layers):
        found["proportions"] = _proportions(adata, groupby)
    by = fit.options.gamma_by
    # the lines of categories have the colours of their cells
    colors = {} if by is None else {"color": by}
    counted = " among those with many counts" if _keys.SHARED_COUNTS.is_in(adata) else ""
    for name, chosen, how in (("best", genes.best, "highest"), ("worst", genes.worst, "lowest")):
        if chosen:
            low, high = (f(adata.var.loc[chosen, _keys.R2.of(fit.key)]) for f in (min, max))
            shown, r2 = "Genes", f"{number(low, 2)} to {number(high, 2)}"
            if len(chosen) == 1:
                shown, r2 = "Gene", number(low, 2)
            axes = panels(len(chosen), 4, (2.8, 2.7), margin=1.4, new_figure=Canvas)
            pl.phase_portrait(adata, chosen, ax=axes, **common | colors)
            found[name] = _figure(
                axes[0].figure,
                alt=f"Phase portraits, unspliced against spliced abundance. {how.capitalize()} R²: "
                f"{joined(chosen)}.",
                caption=f"{shown} with the {how} R²{counted}: {r2}. "
                + _of_lines(by)
                + (" A negative R² means that the line fits worse than a constant." * (low < 0)),
            )
    return found


def _of_lines(gamma_by: str | None) -> str:
    """Return what the lines of phase portraits are."""
    if gamma_by is None:
        return (
            "The line is the steady state. Cells above it have positive velocity, cells below it "
            "have negative velocity."
        )
    return (
        f"Each line is the steady state of a category of {gamma_by}, in the colour of its cells; a "
        "dashed line is that of all cells, which categories with too few molecules have. Cells "
        "above the line of their category have positive velocity, cells below it have negative "
        "velocity."
    )


def _field(adata: AnnData, basis: str, judged: Judged, common: dict[str, Any]) -> Figure:
    """Draw the velocity field, beside its controls if there are any."""
    where = f"{adata.n_obs:,} cells on {basis}"
    faint = "Directions were not tested."
    if judged.directions is not None:
        faint = (
            f"{percent(judged.directions['determined'])} of the cells have a significant "
            "direction. Lines are pale where most nearby cells do not have one."
        )
    if not _keys.RANDOMIZED.is_in(adata, common["velocity_key"], basis):
        canvas = Canvas(figsize=(7.0, 4.8), layout="constrained")
        pl.velocity_stream(adata, basis=basis, ax=canvas.subplots(), **common)
        return _figure(
            canvas,
            alt=f"Streamlines over {where}. {faint}",
            caption=f"{faint} No control is shown: sign-flipped controls need counts, and this "
            "fit used layers that were already smoothed.",
        )
    n_controls = _keys.RANDOMIZED.read(adata, common["velocity_key"], basis).shape[1]
    size = map_size(check_finite_embedding(adata, basis)[:, :2], _PANEL)
    axes = panels(1 + n_controls, _COLUMNS, size, new_figure=Canvas)
    pl.control(adata, basis=basis, ax=axes, density=_DENSITY, **common)
    agreement = chance_agreement(
        get.control_agreement(
            adata, common["color"], basis=basis, velocity_key=common["velocity_key"]
        )
    )
    others = "a sign-flipped control" if n_controls == 1 else f"{n_controls} sign-flipped controls"
    return _figure(
        axes[0].figure,
        alt=f"{1 + n_controls} maps of {where}: streamlines of the data and of {others}, computed "
        f"in the same way. {agreement} {faint}",
        caption=f"Streamlines of the data and of {others}, on the same scale. In a control, the "
        "sign of each cell's velocities is random, so that cells share no direction. Patterns that "
        f"controls also show come from smoothing and projection. {agreement} {faint}",
    )


def _reliability(adata: AnnData, key: str, table: pd.DataFrame) -> Figure:
    canvas = Canvas(figsize=(7.5, 1.0 + 0.36 * len(table)), layout="constrained")
    pl.reliability(adata, velocity_key=key, ax=canvas.subplots())
    shares = [
        f"{name} {percent(row['determined'])}, {row['verdict']}" for name, row in table.iterrows()
    ]
    line = (
        " Black lines mark the share in sign-flipped controls."
        if "control_determined" in table
        else ""
    )
    return _figure(
        canvas,
        alt=f"Share of cells with a significant direction: {joined(shares, 100)}.",
        caption="Share of cells in each cluster that have a significant direction." + line,
    )


def _proportions(adata: AnnData, groupby: str | None) -> Figure:
    n_groups = 1 if groupby is None else adata.obs[groupby].nunique()
    canvas = Canvas(figsize=(7.5, 0.9 + 0.34 * n_groups), layout="constrained")
    ax = pl.proportions(adata, groupby, ax=canvas.subplots())
    # the bars of unspliced molecules, and the names of their groups
    names = [label.get_text() for label in ax.get_yticklabels()]
    shares = [
        f"{name} {percent(bar.get_width())}"
        for name, bar in zip(names, ax.containers[1], strict=True)
    ]
    return _figure(
        canvas,
        alt=f"Shares of unspliced molecules: {joined(shares, 100)}.",
        caption="Shares of molecules over the genes in this file. In whole cells usually 10 to 30% "
        "of the molecules are unspliced, in nuclei more.",
    )


def _figure(canvas: Canvas, *, alt: str, caption: str) -> Figure:
    make_room(canvas)
    buffer = io.BytesIO()
    save_png(canvas, buffer, dpi=_DPI)
    width, height = (int(x) for x in np.round(canvas.get_size_inches() * _DPI))
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Figure(source, alt, caption, width, height)
