"""Legends of categories in columns, and space for them in the figure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ._style import LEGEND_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = ["explain_above", "explain_categories", "make_room", "side_by_side"]

_STYLE: dict[str, Any] = {
    "frameon": False,
    "fontsize": LEGEND_TEXT,
    "columnspacing": 1.0,
    "handletextpad": 0.4,
}
# names by which legends outside axes are found again, and the space that figures have for them,
# inches
_BESIDE, _WIDTH = "legend-beside", 1.0
_ABOVE, _HEIGHT = "legend-above", 0.3


def explain_categories(
    axes: Sequence[Axes], handles: Sequence[Artist], title: str, legend_loc: str
) -> None:
    """Add a legend to the last axes, or with ``"right margin"`` beside all axes.

    The number of columns is chosen so that the legend is not higher than the axes.
    """
    axes = side_by_side(axes)
    ax, figure = axes[-1], axes[-1].figure
    draw: Callable[..., Legend] = ax.legend
    place: dict[str, Any] = {"loc": legend_loc}
    height = ax.get_position().height * figure.get_figheight()
    if legend_loc == "right margin":
        place = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
        if len(axes) > 1:
            draw, place = figure.legend, {"loc": "outside right center"}
            height = 0.95 * figure.get_figheight()
    draw = partial(draw, handles=handles, title=title, **place, **_STYLE)
    legend = draw()
    n_columns = int(np.ceil(_inches(legend)[1] / height))
    if n_columns > 1:
        legend.remove()
        legend = draw(ncols=min(n_columns, len(handles)))
    if legend_loc == "right margin":
        legend.set_gid(_BESIDE)


def explain_above(figure: Figure, handles: Sequence[Artist]) -> None:
    """Add a legend above all axes of a figure, with as many columns as fit its width."""
    draw = partial(figure.legend, handles=handles, loc="outside upper center", **_STYLE)
    legend = draw()
    n_columns = int(0.95 * figure.get_figwidth() / _inches(legend)[0])
    legend.remove()
    legend = draw(ncols=min(max(n_columns, 1), len(handles)))
    legend.set_gid(_ABOVE)


def side_by_side(axes: Sequence[Axes]) -> Sequence[Axes]:
    """Return the axes beside which one legend or colour bar fits: all, or only the last."""
    figure = axes[-1].figure
    together = all(ax.figure is figure for ax in axes)
    if together and isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        return axes
    return axes[-1:]


def make_room(figure: Figure) -> None:
    """Enlarge a figure by the size of its legends, so that its axes keep their size."""
    for legend in [*figure.legends, *(ax.get_legend() for ax in figure.axes)]:
        if legend is None:
            continue
        if legend.get_gid() == _BESIDE:
            figure.set_figwidth(figure.get_figwidth() + max(_inches(legend)[0] - _WIDTH, 0.0))
            _arrange_for(figure)
        elif legend.get_gid() == _ABOVE:
            figure.set_figheight(figure.get_figheight() + max(_inches(legend)[1] - _HEIGHT, 0.0))


def _arrange_for(figure: Figure) -> None:
    """Arrange a figure with a legend beside axes of a fixed shape.

    The axes get narrower for the legend, and only then lower. So arranging them once more, when the
    figure is drawn or saved, is necessary for the legend to have the space that is left.
    """
    engine = figure.get_layout_engine()
    if engine is not None and any(ax.get_aspect() != "auto" for ax in figure.axes):
        engine.execute(figure)


def _inches(legend: Legend) -> tuple[float, float]:
    """Return width and height of a legend."""
    size = legend.get_window_extent().size / legend.figure.dpi
    return float(size[0]), float(size[1])
