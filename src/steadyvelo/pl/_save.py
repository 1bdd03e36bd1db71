"""Saving a picture as a png file."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

__all__ = ["save_png"]


def save_png(figure: Figure, target: Path | IO[bytes], *, dpi: float) -> None:
    """Save a new figure, whose axes are arranged for the last time.

    matplotlib draws a figure twice if it arranges the axes while it saves: once only for that.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        figure.dpi = dpi
        engine.execute(figure)
        figure.set_layout_engine(None)
    figure.savefig(target, format="png", dpi=dpi)
