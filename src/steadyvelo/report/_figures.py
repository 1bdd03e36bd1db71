"""The pictures of the page, as data in its text, each with words for those who cannot see it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from steadyvelo import _keys, pl

from ._text import joined, percent

if TYPE_CHECKING:
    from anndata import AnnData

    from ._genes import Genes

__all__ = ["Figure", "all_figures"]

_DPI = 130
_PANEL_COLUMNS = 4


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes
    ----------
    source
        The picture as a data URI.
    alt
        What it shows, for those who cannot see it.
    width, height
        In pixels.
    """

    source: str
    alt: str
    width: int
    height: int


def all_figures(
    adata: AnnData, groupby: str | None, basis: str, key: str, genes: Genes
) -> dict[str, Figure]:
    """Draw the field beside its control, verdicts, proportions and phase portraits."""
    common: dict[str, Any] = {"color": groupby, "velocity_key": key}
    n_cells = f"{adata.n_obs:,} cells"
    directions = adata.uns[_keys.PARAMS.of(key)].get("directions", {}).get(basis)
    tested = (
        "Directions were not tested."
        if directions is None
        else f"{percent(directions['determined'])} of the cells have a direction that can be told "
        "from noise; lines are faint where most cells around have none."
    )
    canvas = Canvas(figsize=(11.5, 4.6), layout="constrained")
    pl.control(adata, basis=basis, ax=canvas.subplots(1, 2), **common)
    found = {
        "control": _figure(
            canvas,
            f"Two maps of {n_cells} on {basis}. Left: streamlines of the data. Right: streamlines "
            f"of velocities whose signs are random, made in the same way. {tested}",
        )
    }
    table = adata.uns.get(_keys.RELIABILITY.of(key)) if directions is not None else None
    if table is not None:
        canvas = Canvas(figsize=(7.5, 1.0 + 0.36 * len(table)), layout="constrained")
        pl.reliability(adata, velocity_key=key, ax=canvas.subplots())
        shares = [
            f"{name} {percent(row['determined'])}, {row['verdict']}"
            for name, row in table.iterrows()
        ]
        found["reliability"] = _figure(
            canvas, f"Share of cells with a determined direction: {joined(shares, 40)}."
        )
    n_groups = 1 if groupby is None else adata.obs[groupby].nunique()
    canvas = Canvas(figsize=(7.5, 0.9 + 0.34 * n_groups), layout="constrained")
    params = adata.uns[_keys.PARAMS.of(key)]
    usual = (_keys.SPLICED.of(), _keys.UNSPLICED.of())
    if (params["spliced"], params["unspliced"]) == usual:
        pl.proportions(adata, groupby, ax=canvas.subplots())
        found["proportions"] = _figure(
            canvas,
            "Bars: shares of spliced and unspliced molecules"
            + ("." if groupby is None else f" in each of {n_groups} groups of {groupby}."),
        )
    for name, chosen, how in (("best", genes.best, "highest"), ("worst", genes.worst, "lowest")):
        if chosen:
            found[name] = _figure(
                _portraits(adata, chosen, **common),
                f"Phase portraits, unspliced against spliced, of the genes with the {how} R²: "
                f"{joined(chosen)}.",
            )
    return found


def _portraits(adata: AnnData, genes: list[str], *, color: str | None, velocity_key: str) -> Canvas:
    n_rows = -(-len(genes) // _PANEL_COLUMNS)
    n_columns = min(len(genes), _PANEL_COLUMNS)
    canvas = Canvas(figsize=(2.8 * n_columns + 1.4, 2.7 * n_rows), layout="constrained")
    grid = canvas.subplots(n_rows, n_columns, squeeze=False).ravel()
    for spare in grid[len(genes) :]:
        canvas.delaxes(spare)
    pl.phase_portrait(adata, genes, color=color, velocity_key=velocity_key, ax=grid[: len(genes)])
    return canvas


def _figure(canvas: Canvas, alt: str) -> Figure:
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=_DPI)
    width, height = (int(x) for x in np.round(canvas.get_size_inches() * _DPI))
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Figure(source, alt, width, height)
