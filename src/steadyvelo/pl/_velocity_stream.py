"""Streamlines of the velocity field on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import ListedColormap, Normalize

from ._colors import cell_colors
from ._plane import FAINT, STRONG, Plane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes

__all__ = ["velocity_stream"]


def velocity_stream(
    adata: AnnData,
    *,
    basis: str = "umap",
    color: str | None = None,
    velocity_key: str = "velocity",
    ax: Axes | None = None,
    components: tuple[int, int] = (0, 1),
    n_grid: int = 50,
    smoothing: float = 1.0,
    min_mass: float = 0.05,
    density: float = 1.2,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.5,
    legend_loc: str | None = "right margin",
    title: str | None = None,
    show: bool = False,
) -> Axes:
    """Draw cells on an embedding and streamlines along their arrows.

    Arrows are averaged on a grid with a Gaussian kernel; where there are few cells nothing is
    drawn. Lines are thicker where arrows are longer, which says how well the edges of a cell
    agree, not how fast it changes. After :func:`steadyvelo.tl.direction` they are faint where most
    cells around have no direction that can be told from noise. Steps and averages are float64.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_embedding`; any part of its cells.
    basis
        Name of the embedding.
    color
        Column of ``obs`` to colour cells by; None means grey.
    velocity_key
        Prefix of the result.
    ax
        Axes to draw on; None makes new ones.
    components
        Which two dimensions of the embedding, counted from 0.
    n_grid, smoothing, min_mass
        Points of the grid along each axis, width of the kernel in steps of it, and the density,
        as share of its 99th percentile, below which nothing is drawn.
    density
        Closeness of streamlines, as in :meth:`matplotlib.axes.Axes.streamplot`.
    palette
        Colours of categories; None means scanpy's in ``uns``, else matplotlib's.
    size, alpha
        Area (points²; None chooses by the number of cells) and opacity of the points.
    legend_loc
        Where matplotlib puts the legend, ``"right margin"``, ``"on data"`` for names in the
        middle of each category, or None for no legend.
    title
        Title of the axes; None means the basis.
    show
        Open the picture in a window.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError
        If there is no such embedding, arrows or column.
    ValueError
        If no cell has an arrow.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> ax = sv.pl.velocity_stream(adata, basis="pca", color="clusters")
    >>> ax.get_title()
    'pca'
    """
    plane = Plane.of(adata, basis, velocity_key, components)
    colors = cell_colors(adata, color, palette)
    field = plane.field(n_grid, smoothing, min_mass)
    ax = plane.draw_cells(ax, colors, size=size, alpha=alpha, legend_loc=legend_loc)
    length = field.length
    longest = length.max()
    if np.ma.is_masked(longest) or longest == 0:
        longest = 1.0
    ax.streamplot(
        field.x,
        field.y,
        field.u,
        field.v,
        density=density,
        color=field.determined,
        cmap=ListedColormap([FAINT, STRONG]),
        norm=Normalize(0, 1),
        linewidth=np.ma.filled(0.4 + 1.2 * length / longest, 0.4),
        arrowsize=1.1,
        zorder=2,
    )
    plane.explain_arrows(ax)
    return plane.finish(ax, title, show=show)
