"""Streamlines of the velocity field on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from steadyvelo._checks import check_adata, check_arrows, check_finite_embedding

from ._colors import cell_colors
from ._field import field_on_grid

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
) -> Axes:
    """Draw cells on an embedding and streamlines along their arrows.

    Arrows are averaged on a grid with a Gaussian kernel; where there are few cells nothing is
    drawn. Lines are thicker where arrows are longer, which says how well the edges of a cell
    agree, not how fast it changes.

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
        Where matplotlib puts the legend, ``"right margin"``, or None for no legend.
    title
        Title of the axes; None means the basis.

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
    >>> adata = sv.run(sv.datasets.simulate(n_cells=300, n_genes=60, rng=0), basis="pca")
    >>> ax = sv.pl.velocity_stream(adata, basis="pca", color="clusters")
    >>> ax.get_title()
    'pca'
    """
    check_adata(adata)
    basis = basis.removeprefix("X_")
    points = check_finite_embedding(adata, basis)
    arrows = check_arrows(adata, basis, velocity_key)
    if max(components) >= points.shape[1]:
        msg = f"components={components} ask for more than the {points.shape[1]} of {basis!r}."
        raise ValueError(msg)
    points, arrows = points[:, list(components)], arrows[:, list(components)]
    if not np.isfinite(arrows).all(axis=1).any():
        msg = f"no cell has an arrow on {basis!r}; see the warnings of tl.velocity_graph."
        raise ValueError(msg)
    colors = cell_colors(adata, color, palette)
    field = field_on_grid(points, arrows, n_grid=n_grid, smoothing=smoothing, min_mass=min_mass)

    if ax is None:
        _, ax = plt.subplots(figsize=(6, 5), layout="constrained")
    if size is None:
        size = float(np.clip(60_000 / adata.n_obs, 1, 40))
    drawn = colors.scatter(ax, points[:, 0], points[:, 1], size=size, alpha=alpha)
    colors.explain(ax, drawn, legend_loc)
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
        color="0.15",
        linewidth=np.ma.filled(0.4 + 1.2 * length / longest, 0.4),
        arrowsize=1.1,
        zorder=2,
    )
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel(f"{basis} {components[0] + 1}")
    ax.set_ylabel(f"{basis} {components[1] + 1}")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(basis if title is None else title)
    return ax
