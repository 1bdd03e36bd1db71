"""Given or new axes, names as text, and the last step of every picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import matplotlib.pyplot as plt
import numpy as np

from steadyvelo._printable import printable_lines

from ._legend import make_room
from ._style import MAP_SIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = [
    "as_text",
    "finished",
    "given_axes",
    "map_size",
    "new_axes",
    "panels",
    "show_map",
    "write_title",
]

Drawn = TypeVar("Drawn")

# for pictures on an embedding: margin around the cells as share of their larger side, and the
# smallest width of a figure, inches
_MARGIN, _NARROWEST = 0.04, 3.0


def as_text(name: object) -> str:
    """Return a name that matplotlib draws as plain text: a dollar does not begin a formula."""
    return printable_lines(name).replace("$", r"\$")


def new_axes(width: float, height: float) -> Axes:
    """Return the axes of a new figure of this size, inches."""
    return panels(1, 1, (width, height))[0]


def map_size(points: NDArray[np.float64], side: float = MAP_SIDE) -> tuple[float, float]:
    """Return width and height, inches, of a picture of cells with the given larger side."""
    sides = np.ptp(points, axis=0) + 2 * _MARGIN * _larger_side(points)
    width, height = np.maximum(side * sides / sides.max(), min(_NARROWEST, side))
    return float(width), float(height)


def show_map(ax: Axes, points: NDArray[np.float64]) -> None:
    """Set axes for cells on an embedding: equal scales, limits with a margin, no frame."""
    margin = _MARGIN * _larger_side(points)
    (left, lower), (right, upper) = points.min(axis=0) - margin, points.max(axis=0) + margin
    ax.set_xlim(left, right)
    ax.set_ylim(lower, upper)
    ax.set_aspect("equal", adjustable="box")
    ax.set_axis_off()


def write_title(ax: Axes, title: object) -> None:
    """Write a title right above axes that have no ticks there.

    Without a height, matplotlib measures ticks and their labels each time that the axes are drawn
    or arranged, which takes a fifth of the time of a figure with several panels.
    """
    ax.set_title(as_text(title), y=1.0)


def _larger_side(points: NDArray[np.float64]) -> float:
    return float(np.ptp(points, axis=0).max()) or 1.0


def panels(
    n_panels: int,
    n_columns: int,
    size: tuple[float, float],
    margin: float = 0.0,
    new_figure: Callable[..., Figure] = plt.figure,
) -> NDArray[np.object_]:
    """Return the axes of a new figure, at most `n_columns` of them side by side.

    `size` is the width and height of a panel, and `margin` the additional width of the figure, in
    inches.
    """
    n_columns = min(n_columns, n_panels)
    n_rows = -(-n_panels // n_columns)
    figsize = (size[0] * n_columns + margin, size[1] * n_rows)
    figure = new_figure(figsize=figsize, layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for spare in axes[n_panels:]:
        figure.delaxes(spare)
    return axes[:n_panels]


def given_axes(ax: Axes | Sequence[Axes], n_axes: int, what: str) -> NDArray[np.object_]:
    """Return the given axes as an array; raise an error if their number is wrong."""
    axes = np.asarray(ax, dtype=object).ravel()
    if len(axes) != n_axes:
        msg = f"ax must have {what}; it has {len(axes)}."
        raise ValueError(msg)
    return axes


def finished(axes: Drawn, *, show: bool, own: bool = False) -> Drawn:
    """Enlarge a new figure for its legends, open it if asked, and return the axes."""
    if own:
        last: Any = np.ravel(axes)[-1]
        make_room(last.figure)
    if show:
        plt.show()
    return axes
