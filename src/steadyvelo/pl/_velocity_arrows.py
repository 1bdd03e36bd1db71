"""The arrow of every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._colors import cell_colors
from ._plane import FAINT, STRONG, Plane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes

__all__ = ["velocity_arrows"]

_MANY_ARROWS = 2_000


def velocity_arrows(
    adata: AnnData,
    *,
    basis: str = "umap",
    color: str | None = None,
    velocity_key: str = "velocity",
    ax: Axes | None = None,
    components: tuple[int, int] = (0, 1),
    arrow_length: float = 0.06,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.5,
    legend_loc: str | None = "right margin",
    title: str | None = None,
    show: bool = False,
) -> Axes:
    """Draw cells on an embedding and the arrow of each.

    The longest arrow (99th percentile) is `arrow_length` of the larger side of the picture, the
    others in proportion: an arrow's length says how well the edges of a cell agree. After
    :func:`steadyvelo.tl.direction` arrows that cannot be told from noise are faint. A cell without
    an arrow has a point alone. Many cells are easier to read on a part of them, as
    ``adata[::10]``; more than 2,000 arrows are drawn as pixels in vector files.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_embedding`; any part of its cells.
    basis, color, velocity_key, ax, components
        As in :func:`steadyvelo.pl.velocity_stream`.
    arrow_length
        Length of a long arrow, as share of the larger side of the picture.
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
    >>> ax = sv.pl.velocity_arrows(adata, basis="pca", color="clusters")
    >>> ax.get_title()
    'pca'
    """
    plane = Plane.of(adata, basis, velocity_key, components)
    colors = cell_colors(adata, color, palette)
    ax = plane.draw_cells(ax, colors, size=size, alpha=alpha, legend_loc=legend_loc)
    some = np.isfinite(plane.arrows).all(axis=1)
    points, arrows = plane.points[some], plane.arrows[some]
    long = np.percentile(np.linalg.norm(arrows, axis=1), 99)
    side = np.ptp(plane.points, axis=0).max()
    sure = np.ones(len(points), dtype=bool) if plane.determined is None else plane.determined[some]
    ax.quiver(
        *points.T,
        *arrows.T,
        color=np.where(sure, STRONG, FAINT),
        angles="xy",
        scale_units="xy",
        scale=(long or 1.0) / (arrow_length * (side or 1.0)),
        width=0.002,
        rasterized=len(points) > _MANY_ARROWS,
        zorder=2,
    )
    plane.explain_arrows(ax)
    return plane.finish(ax, title, show=show)
