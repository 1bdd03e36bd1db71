"""Arrows of cells on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo._arguments import picture

from ._axes import finished
from ._colors import cell_colors
from ._field import thinned
from ._plane import Plane
from ._style import STRONG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["velocity_arrows"]

_MANY_ARROWS = 2_000
# the quantile of lengths from which arrows are equally long, and the shortest drawn length
_LONG, _SHORTEST = 0.9, 0.33


@picture
def velocity_arrows(
    adata: AnnData,
    *,
    basis: str = "auto",
    color: str | None = "auto",
    velocity_key: str = "velocity",
    ax: Axes | None = None,
    components: tuple[int, int] = (0, 1),
    spacing: float = 0.013,
    arrow_length: float = 0.04,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.3,
    legend_loc: str | None = "auto",
    title: str | None = None,
    show: bool = False,
) -> Axes:
    """Draw cells on an embedding and the arrows of cells, in the colours of the cells.

    As many arrows are drawn as fit if no two start at a smaller distance than `spacing`. Their
    lengths are limited to the 90th percentile, and the shortest arrows are drawn with a third of
    it. The length of an arrow measures the agreement between the edges of a cell. After
    :func:`steadyvelo.tl.direction`, arrows that are not significant, according to
    ``obs["velocity_umap_determined"]``, are thin and pale. Cells without an arrow are drawn as
    points. More than 2,000 arrows are drawn as pixels in vector files.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_embedding`, or a part of its cells.
    basis, color, velocity_key, ax, components
        As in :func:`steadyvelo.pl.velocity_stream`.
    spacing
        Smallest distance between the cells whose arrows are drawn, as share of the larger side of
        the picture; 0 draws the arrow of every cell.
    arrow_length
        Length of the longest arrows, as share of that side.
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
    >>> ax = sv.pl.velocity_arrows(adata)
    >>> len(ax.texts) == adata.obs["clusters"].nunique()
    True
    """
    if not 0 <= spacing < np.inf:
        msg = f"spacing must be a share of the larger side, or 0 for every cell; it is {spacing}."
        raise ValueError(msg)
    plane = Plane.of(adata, basis, velocity_key, components)
    colors = cell_colors(adata, color, palette)
    ax = plane.draw_cells(ax, colors, size=size, alpha=alpha, legend_loc=legend_loc, title=title)
    pale = colors.tone_apart(ax, alpha)
    length = np.linalg.norm(plane.arrows, axis=1)
    side = float(np.ptp(plane.points, axis=0).max()) or 1.0
    # NaN is not above 0
    some = np.flatnonzero(length > 0)
    longest = np.quantile(length[some], _LONG) if len(some) else 1.0
    some = some[_evenly(plane.points[some], spacing * side)]
    sure = np.ones(len(some), dtype=bool) if plane.determined is None else plane.determined[some]
    drawn = np.clip(length[some] / longest, _SHORTEST, 1.0) / length[some]
    shades = colors.of_cells()[some]
    for chosen, color_of, width, outline in (
        (~sure, pale, 0.007, 0.0),
        (sure, shades[sure], 0.013, 0.3),
    ):
        ax.quiver(
            *plane.points[some[chosen]].T,
            *(plane.arrows[some] * drawn[:, None])[chosen].T,
            color=color_of,
            edgecolor=STRONG if outline else "none",
            linewidth=outline,
            angles="xy",
            scale_units="xy",
            scale=1 / (arrow_length * side),
            units="inches",
            width=width,
            headwidth=4.5,
            headlength=4.5,
            headaxislength=4,
            minlength=0,
            rasterized=len(some) > _MANY_ARROWS,
            zorder=3 if outline else 2,
        )
    # arrows have the colours of their cells; that of the legend is one of them
    color = shades[sure][0] if sure.any() else STRONG
    plane.explain_arrows(ax, pale, color=color)
    return finished(ax, show=show)


def _evenly(points: NDArray[np.float64], distance: float) -> NDArray[np.intp]:
    """Return as many points as fit if no two are nearer to each other than `distance`."""
    if distance <= 0:
        return np.arange(len(points))
    order = np.random.default_rng(0).permutation(len(points))
    # one point of every small square, so that the next step has few points
    squares = np.floor(points[order] / (0.25 * distance)).astype(np.int64)
    _, first = np.unique(squares, axis=0, return_index=True)
    order = order[np.sort(first)]
    return np.sort(order[thinned(points[order], distance)])
