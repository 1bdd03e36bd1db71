"""Panels in a grid, as many as there are things to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["panels"]


def panels(
    n_panels: int, n_columns: int, size: tuple[float, float], margin: float = 0.0
) -> NDArray[np.object_]:
    """Return the axes of a new figure, at most `n_columns` of them side by side.

    `size` is width and height of a panel and `margin` the width of the figure beyond its panels,
    in inches.
    """
    n_columns = min(n_columns, n_panels)
    n_rows = -(-n_panels // n_columns)
    figure, grid = plt.subplots(
        n_rows,
        n_columns,
        figsize=(size[0] * n_columns + margin, size[1] * n_rows),
        layout="constrained",
        squeeze=False,
    )
    for spare in grid.ravel()[n_panels:]:
        figure.delaxes(spare)
    axes: NDArray[np.object_] = grid.ravel()[:n_panels]
    return axes
