"""Streamlines of the velocity field on an embedding."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection

from steadyvelo._arguments import picture

from ._axes import finished
from ._colors import cell_colors
from ._plane import Plane
from ._streamlines import streamlines
from ._style import STRONG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ._colors import CellColors
    from ._field import Field

__all__ = ["draw_stream", "longest_arrows", "velocity_stream"]

# distance between neighbouring lines at density 1, as share of the larger side
_DISTANCE = 1 / 72
# width of lines for short arrows, additional width for long arrows, width of lines that are not
# significant
_THIN, _ADDED, _PALE = 0.7, 0.8, 0.6
# number of widths, and the quantile of lengths from which lines have the largest width
_LEVELS, _LONG = 5, 0.95
# distance between arrow heads of a line, as share of the larger side
_BETWEEN_HEADS = 0.2
# width of the shaft of an arrow head, inches, and length of the head in these widths
_SHAFT, _HEAD = 0.016, 6.0


@picture
def velocity_stream(
    adata: AnnData,
    *,
    basis: str = "auto",
    color: str | None = "auto",
    velocity_key: str = "velocity",
    ax: Axes | None = None,
    components: tuple[int, int] = (0, 1),
    smoothing: float = 0.02,
    min_cells: int = 3,
    density: float = 1.0,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.55,
    legend_loc: str | None = "auto",
    title: str | None = None,
    show: bool = False,
) -> Axes:
    """Draw cells on an embedding and streamlines along their arrows.

    Arrows are averaged around each place of a grid with a Gaussian kernel. Evenly spaced lines
    follow these means and end where no cells are near. Lines are thicker where arrows are longer;
    the length of an arrow measures the agreement between the edges of a cell, not how fast the cell
    changes. After :func:`steadyvelo.tl.direction` (which :func:`steadyvelo.tl.reliability` calls),
    lines are thin and pale where fewer than half of the nearby cells, weighted by the kernel, have
    a significant direction, ``obs["velocity_umap_determined"]``. If directions were not tested, all
    lines are drawn in the same way.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_embedding`, or a part of its cells.
    basis
        Name of the embedding; ``"auto"`` uses the one whose arrows were computed last.
    color
        Column of ``obs`` for the colours of cells. ``"auto"`` uses clusters, the first column with
        a usual name (``clusters``, ``leiden``, ``cell_type`` …); with None cells are grey.
    velocity_key
        Prefix of the fit.
    ax
        Axes to draw on; None makes a new figure.
    components
        Two dimensions of the embedding, counted from 0.
    smoothing
        Width of the kernel (its standard deviation), as share of the larger side of the picture. If
        there are few cells, it is at least the usual distance between neighbours.
    min_cells
        Lines are drawn within 1.2 widths of the kernel around each cell that has at least this
        number of cells, including itself, within two widths.
    density
        Density of streamlines. At 1, the distance between neighbouring lines is 1/72 of the larger
        side.
    palette
        Colours of categories; None uses the colours that scanpy stored in ``uns``, or else
        matplotlib's.
    size, alpha
        Area of the points (points²; None chooses it by the number of cells) and strength of their
        colours, from 0 (background) to 1 (full colour).
    legend_loc
        Place of the names of categories: ``"on data"``, ``"right margin"``, a place of matplotlib's
        legends, or None for no names. ``"auto"`` writes up to 25 names on the data if they fit, or
        else in the right margin. Columns of numbers get a colour bar.
    title
        Title of the picture; None means no title.
    show
        Open the picture in a window.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError
        If the embedding, its arrows or the column is missing.
    ValueError
        If no cell has an arrow.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> ax = sv.pl.velocity_stream(adata)
    >>> len(ax.texts) == adata.obs["clusters"].nunique()
    True
    >>> # the same arrows, and how well they show the velocity graph
    >>> ax = sv.pl.velocity_stream(adata, color="velocity_pca_fidelity", title="fidelity")
    >>> ax.get_title()
    'fidelity'
    """
    plane = Plane.of(adata, basis, velocity_key, components)
    colors = cell_colors(adata, color, palette)
    cells: dict[str, Any] = {"size": size, "alpha": alpha, "legend_loc": legend_loc, "title": title}
    lines = {"smoothing": smoothing, "min_cells": min_cells, "density": density}
    return finished(draw_stream(ax, plane, colors, cells, **lines), show=show)


def draw_stream(
    ax: Axes | None,
    plane: Plane,
    colors: CellColors,
    cells: Mapping[str, Any],
    *,
    smoothing: float,
    min_cells: int,
    density: float,
    scale: float | None = None,
    note: bool = True,
) -> Axes:
    """Draw cells, with options `cells`, and streamlines; `note` adds a legend of significance.

    `scale` is the length of arrows at which lines are thickest and may be longest, for fields that
    are compared; None means that of the long arrows of this field.
    """
    field = plane.field(smoothing, min_cells)
    ax = plane.draw_cells(ax, colors, **cells)
    pale = colors.tone_apart(ax, cells["alpha"])
    lines = streamlines(field, _DISTANCE * field.side / density, scale)
    _draw_lines(ax, field, lines, pale, longest_arrows(field) if scale is None else scale)
    if note:
        plane.explain_arrows(ax, pale)
    return ax


def longest_arrows(field: Field) -> float:
    """Return the length of the long arrows of a field."""
    length = field.length.filled(0.0)
    return float(np.quantile(length[length > 0], _LONG)) if (length > 0).any() else 1.0


def _draw_lines(
    ax: Axes, field: Field, lines: list[NDArray[np.float64]], pale: str, longest: float
) -> None:
    """Draw lines with arrow heads; lines that are not significant are below the others."""
    length = field.length.filled(0.0)
    pieces: list[NDArray[np.float64]] = []
    levels: list[int] = []
    heads: list[NDArray[np.float64]] = []
    for line in lines:
        middles = 0.5 * (line[1:] + line[:-1])
        share = np.clip(field.at(length, middles) / longest, 0, 1)
        level = np.rint(share * (_LEVELS - 1)).astype(int)
        level[field.at(field.determined, middles) < 0.5] = -1
        for first, end in _runs(level):
            pieces.append(line[first : end + 1])
            levels.append(int(level[first]))
        n_heads = max(1, round(_extent(line) / (_BETWEEN_HEADS * field.side)))
        at = ((np.arange(n_heads) + 0.5) / n_heads * len(level)).astype(int)
        heads.append(np.column_stack([middles[at], (line[1:] - line[:-1])[at], level[at]]))
    if not lines:
        return
    of_piece, head = np.array(levels), np.concatenate(heads)
    widths = np.where(of_piece < 0, _PALE, _THIN + _ADDED * of_piece / (_LEVELS - 1))
    for strong, shade in ((False, pale), (True, STRONG)):
        chosen = np.flatnonzero((of_piece >= 0) == strong)
        ax.add_collection(
            LineCollection(
                [pieces[k] for k in chosen],
                linewidths=widths[chosen],
                colors=shade,
                capstyle="round",
                zorder=3 if strong else 2,
            ),
            autolim=False,
        )
        x, y, *way = head[(head[:, 4] >= 0) == strong, :4].T
        shaft = _SHAFT if strong else 0.7 * _SHAFT
        size = np.hypot(*way)
        ax.quiver(
            x,
            y,
            *(_HEAD * shaft * np.array(way) / size),
            color=shade,
            angles="xy",
            pivot="mid",
            units="inches",
            scale_units="inches",
            scale=1.0,
            width=shaft,
            headwidth=4.5,
            headlength=_HEAD,
            headaxislength=0.85 * _HEAD,
            zorder=3 if strong else 2,
        )


def _runs(values: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Yield beginning and end of every run of equal values."""
    changes = np.flatnonzero(np.diff(values)) + 1
    yield from pairwise([0, *changes.tolist(), len(values)])


def _extent(line: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
