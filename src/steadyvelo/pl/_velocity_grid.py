"""Arrows of the velocity field on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo._arguments import picture

from ._axes import finished
from ._colors import cell_colors
from ._plane import Plane
from ._style import STRONG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes

__all__ = ["velocity_grid"]

# the quantile of lengths from which arrows are equally long, and the shortest drawn length
_LONG, _SHORTEST = 0.9, 0.4


@picture
def velocity_grid(
    adata: AnnData,
    *,
    basis: str = "auto",
    color: str | None = "auto",
    velocity_key: str = "velocity",
    ax: Axes | None = None,
    components: tuple[int, int] = (0, 1),
    n_grid: int = 45,
    smoothing: float = 0.02,
    min_cells: int = 3,
    arrow_length: float = 1.2,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.55,
    legend_loc: str | None = "auto",
    title: str | None = None,
    show: bool = False,
) -> Axes:
    """Draw cells on an embedding and their mean arrows on a grid.

    The mean arrows are those of :func:`steadyvelo.pl.velocity_stream`, drawn where cells are near:
    on a square grid, and in narrow branches between its places. Their lengths are limited to the
    90th percentile, and the shortest arrows are drawn with two fifths of it, so that each arrow can
    be seen. Arrows are thin and pale where fewer than half of the nearby cells have a significant
    direction.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_embedding`, or a part of its cells.
    basis, color, velocity_key, ax, components, smoothing, min_cells
        As in :func:`steadyvelo.pl.velocity_stream`.
    n_grid
        Number of places of the grid along the larger side; the steps are the same along the other
        side.
    arrow_length
        Length of the longest arrows, in steps of the grid.
    palette, size, alpha, legend_loc, title, show
        As in :func:`steadyvelo.pl.velocity_stream`.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError, ValueError
        As :func:`steadyvelo.pl.velocity_stream`.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> ax = sv.pl.velocity_grid(adata)
    >>> len(ax.texts) == adata.obs["clusters"].nunique()
    True
    """
    plane = Plane.of(adata, basis, velocity_key, components)
    colors = cell_colors(adata, color, palette)
    field = plane.field(smoothing, min_cells, coarse_step=1 / n_grid)
    rows, columns = field.every(round(field.side / n_grid / field.step))
    ax = plane.draw_cells(ax, colors, size=size, alpha=alpha, legend_loc=legend_loc, title=title)
    pale = colors.tone_apart(ax, alpha)
    places = np.stack([field.x[columns], field.y[rows]])
    arrows = np.stack([field.u.data[rows, columns], field.v.data[rows, columns]])
    length = np.linalg.norm(arrows, axis=0)
    if len(length):
        arrows *= np.clip(length / np.quantile(length, _LONG), _SHORTEST, 1.0) / length
    strong = field.determined[rows, columns] >= 0.5
    for chosen, shade, width in ((~strong, pale, 0.009), (strong, STRONG, 0.013)):
        ax.quiver(
            *places[:, chosen],
            *arrows[:, chosen],
            color=shade,
            angles="xy",
            scale_units="xy",
            scale=n_grid / (arrow_length * field.side),
            units="inches",
            width=width,
            headwidth=4.2,
            headlength=4.2,
            headaxislength=3.8,
            minlength=0,
            pivot="mid",
            zorder=2,
        )
    plane.explain_arrows(ax, pale)
    return finished(ax, show=show)
