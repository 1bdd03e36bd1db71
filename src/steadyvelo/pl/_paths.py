"""Random paths along the velocity graph, on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection

from steadyvelo._adata._checks import check_adata
from steadyvelo._arguments import picture
from steadyvelo.get import paths as stored_paths

from ._axes import finished
from ._colors import cell_colors
from ._plane import Plane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes

__all__ = ["paths"]

_MANY_STEPS = 2_000


@picture
def paths(
    adata: AnnData,
    *,
    basis: str = "auto",
    color: str | None = "auto",
    velocity_key: str = "velocity",
    ax: Axes | None = None,
    components: tuple[int, int] = (0, 1),
    cmap: str = "viridis",
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.3,
    legend_loc: str | None = "auto",
    title: str | None = None,
    show: bool = False,
) -> Axes:
    """Draw random paths along the velocity graph.

    Lines connect the cells of a path; their colour is the number of the step. A ring marks the
    first cell of a path, a dot the last one. More than 2,000 steps are drawn as pixels in vector
    files.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.paths`, or a part of its cells; steps to and from cells that
        are missing are left out.
    basis, color, velocity_key, ax, components
        As in :func:`steadyvelo.pl.velocity_stream`.
    cmap
        Colour map of the steps.
    palette, size, alpha, legend_loc, title, show
        As in :func:`steadyvelo.pl.velocity_stream`.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError
        If no paths were drawn, or the embedding or a column is missing.
    ValueError
        If `adata` has no cell of the paths.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=400, n_genes=80, depth=2, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.paths(adata, "root", groupby="clusters", n_paths=6, n_steps=60)
    >>> ax = sv.pl.paths(adata)
    >>> ax.figure.axes[1].get_ylabel()
    'step'
    """
    check_adata(adata)
    names = stored_paths(adata, velocity_key=velocity_key).to_numpy()
    plane = Plane.of_cells(adata, basis, velocity_key, components)
    places = adata.obs_names.get_indexer(names.ravel()).reshape(names.shape)
    there = places >= 0
    if not there.any():
        msg = "adata has no cell of the stored paths; draw them before subsetting, or run tl.paths."
        raise ValueError(msg)
    colors = cell_colors(adata, color, palette)
    ax = plane.draw_cells(ax, colors, size=size, alpha=alpha, legend_loc=legend_loc, title=title)
    moved = there[:, :-1] & there[:, 1:] & (places[:, :-1] != places[:, 1:])
    path, step = np.nonzero(moved)
    pairs = places[path, step], places[path, step + 1]
    lines = LineCollection(
        np.stack([plane.points[end] for end in pairs], axis=1).tolist(),
        array=step + 1.0,
        cmap=cmap,
        clim=(0, names.shape[1] - 1),
        linewidths=0.9,
        alpha=0.8,
        zorder=2,
        rasterized=len(path) > _MANY_STEPS,
    )
    ax.add_collection(lines, autolim=False)
    ax.figure.colorbar(lines, ax=ax, label="step", shrink=0.7)
    for column, filled in ((0, False), (-1, True)):
        ends = plane.points[places[there[:, column], column]]
        inside = "black" if filled else "none"
        ax.scatter(*ends.T, s=40, facecolors=inside, edgecolors="black", zorder=3)
    return finished(ax, show=show)
