"""Names of clusters written on their cells, moved apart where they would overlap."""

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

__all__ = ["moved_apart", "write_names"]

# more names hide the cells
_MOST_NAMES = 25
# longer names have two lines
_LINE = 18
# between names, points; and how far a name may be moved, as share of the axes' diagonal
_GAP, _FARTHEST = 2.0, 0.12
_ROUNDS = 300
# pixels beyond what would just do, or boxes at an edge would come apart ever more slowly
_MORE = 0.5


def write_names(
    ax: Axes,
    names: Mapping[str, Any],
    codes: NDArray[np.intp],
    places: NDArray[np.float64],
    *,
    only_if_they_fit: bool,
) -> bool:
    """Write each name at the cell of its cluster that is nearest to the median.

    `names` are texts by category and `codes` the number of each cell's. Names that would overlap
    are moved apart; returns whether all fit, and with `only_if_they_fit` leaves none if not.
    """
    there = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(names)))
    if only_if_they_fit and len(there) > _MOST_NAMES:
        return False
    labels = list(names)
    middles = np.array([_middle(places[codes == number]) for number in there]).reshape(-1, 2)
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
    return fit


def _middle(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the place nearest to the median: the median of a bent cluster may lie beside it."""
    away = places - np.median(places, axis=0)
    return np.asarray(places[(away**2).sum(axis=1).argmin()])


def moved_apart(
    centres: NDArray[np.float64],
    sizes: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return centres of boxes moved, as little as need be, until none overlaps another.

    Every overlapping pair is pushed apart along the side on which they overlap least, half by half,
    within the corners `low` and `high`; where there is no room for all, some still overlap.
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
    """Return which boxes overlap, shape (boxes, boxes), each pair once."""
    away = np.abs(centres[:, None] - centres[None])
    return np.triu((away < (sizes[:, None] + sizes[None]) / 2 - 1e-9).all(axis=2), k=1)
