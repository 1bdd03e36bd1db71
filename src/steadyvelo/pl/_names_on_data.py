"""Names of clusters that are written on their cells, and moved apart if they overlap."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import patheffects

from ._style import NAME_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["middle", "moved_apart", "write_names"]

# more names would hide the cells
_MOST_NAMES = 25
# longer names are broken into lines
_LINE = 18
# gap between names, points; largest move of a name, as share of the diagonal of the axes
_GAP, _FARTHEST = 2.0, 0.12
_ROUNDS = 300
# additional pixels per push, without which boxes at an edge separate too slowly
_MORE = 0.5


def write_names(
    ax: Axes,
    names: Mapping[str, Any],
    codes: NDArray[np.intp],
    places: NDArray[np.float64],
    *,
    only_if_they_fit: bool,
) -> bool:
    """Write each name at the cell of its cluster that is nearest to their median position.

    `names` has the texts of categories, and `codes` the number of the category of each cell. Names
    that would overlap are moved apart. Returns whether all names fit; if not, with
    `only_if_they_fit` none is written.
    """
    there = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(names)))
    if only_if_they_fit and len(there) > _MOST_NAMES:
        return False
    labels = list(names)
    middles = np.array([middle(places[codes == number]) for number in there]).reshape(-1, 2)
    texts = [
        ax.text(
            *middle,
            textwrap.fill(labels[number], _LINE, break_long_words=False),
            ha="center",
            va="center",
            fontsize=NAME_TEXT,
            weight="bold",
            linespacing=0.95,
            zorder=6,
            path_effects=[patheffects.withStroke(linewidth=3, foreground="white")],
        )
        for number, middle in zip(there, middles, strict=True)
    ]
    figure = ax.figure
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
    ax.apply_aspect()
    gap = _GAP * figure.dpi / 72
    sizes = np.array([text.get_window_extent().size for text in texts]).reshape(-1, 2) + gap
    box = ax.get_window_extent()
    wanted = ax.transData.transform(middles)
    centres = moved_apart(wanted, sizes, box.min, box.max)
    moved = np.linalg.norm(centres - wanted, axis=1)
    fit = bool(
        np.all(sizes <= 0.5 * box.size[0])
        and np.all(moved <= _FARTHEST * np.linalg.norm(box.size))
        and not _overlaps(centres, sizes).any()
    )
    if not fit and only_if_they_fit:
        for text in texts:
            text.remove()
        return False
    for text, place in zip(texts, ax.transData.inverted().transform(centres), strict=True):
        text.set_position(place)
        # names are inside the axes if they fit, so that later layouts need not measure them
        text.set_in_layout(not fit)
    return fit


def middle(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the position of the cell nearest to the median, which may be off a curved cluster."""
    away = places - np.median(places, axis=0)
    return np.asarray(places[(away**2).sum(axis=1).argmin()])


def moved_apart(
    centres: NDArray[np.float64],
    sizes: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the centres of boxes after moving them apart as little as possible.

    Both boxes of an overlapping pair are moved along the axis on which they overlap least, within
    the corners `low` and `high`. If there is not enough room, some boxes still overlap.
    """
    found = np.clip(centres, low + sizes / 2, np.maximum(high - sizes / 2, low + sizes / 2))
    for _ in range(_ROUNDS):
        pairs = np.argwhere(_overlaps(found, sizes))
        if len(pairs) == 0:
            break
        for one, other in pairs:
            away = found[other] - found[one]
            short = (sizes[one] + sizes[other]) / 2 - np.abs(away)
            axis = int(short.argmin())
            push = 0.5 * (max(short[axis], 0.0) + _MORE) * (1.0 if away[axis] >= 0 else -1.0)
            found[one, axis] -= push
            found[other, axis] += push
        found = np.clip(found, low + sizes / 2, np.maximum(high - sizes / 2, low + sizes / 2))
    return found


def _overlaps(centres: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which pairs of boxes overlap, shape (boxes, boxes); each pair is marked once."""
    away = np.abs(centres[:, None] - centres[None])
    return np.triu((away < (sizes[:, None] + sizes[None]) / 2 - 1e-9).all(axis=2), k=1)
