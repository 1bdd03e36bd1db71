"""Arrows of the velocity field on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._colors import cell_colors
from ._plane import FAINT, STRONG, Plane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes

__all__ = ["velocity_grid"]


def velocity_grid(
    adata: AnnData,
    *,
    basis: str = "umap",
    color: str | None = None,
    velocity_key: str = "velocity",
    ax: Axes | None = None,
    components: tuple[int, int] = (0, 1),
    n_grid: int = 35,
    smoothing: float = 1.0,
    min_mass: float = 0.05,
    arrow_length: float = 2.0,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.5,
    legend_loc: str | None = "right margin",
    title: str | None = None,
    show: bool = False,
) -> Axes:
    """Draw cells on an embedding and their mean arrows on a grid.

    The field is that of :func:`steadyvelo.pl.velocity_stream`. The longest mean arrow is
    `arrow_length` steps of the grid, the others in proportion. After
    :func:`steadyvelo.tl.direction` arrows are faint where most cells around have no direction that
    can be told from noise.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_embedding`; any part of its cells.
    basis, color, velocity_key, ax, components, n_grid, smoothing, min_mass
        As in :func:`steadyvelo.pl.velocity_stream`.
    arrow_length
        Length of the longest arrow, in steps of the grid.
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
    >>> ax = sv.pl.velocity_grid(adata, basis="pca", color="clusters")
    >>> ax.get_title()
    'pca'
    """
    plane = Plane.of(adata, basis, velocity_key, components)
    colors = cell_colors(adata, color, palette)
    field = plane.field(n_grid, smoothing, min_mass)
    ax = plane.draw_cells(ax, colors, size=size, alpha=alpha, legend_loc=legend_loc)
    there = ~np.ma.getmaskarray(field.u)
    x, y = (grid[there] for grid in np.meshgrid(field.x, field.y))
    step = min(np.diff(field.x)[0], np.diff(field.y)[0])
    longest = float(field.length.max()) if there.any() else 0.0
    ax.quiver(
        x,
        y,
        field.u[there].filled(),
        field.v[there].filled(),
        color=np.where(field.determined[there] >= 0.5, STRONG, FAINT),
        angles="xy",
        scale_units="xy",
        scale=(longest or 1.0) / (arrow_length * step),
        width=0.003,
        headwidth=4,
        headlength=5,
        headaxislength=4.5,
        zorder=2,
    )
    plane.explain_arrows(ax)
    return plane.finish(ax, title, show=show)
