"""Edges of the velocity graph of some cells, on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from matplotlib.collections import LineCollection
from matplotlib.colors import TwoSlopeNorm

from steadyvelo import _keys
from steadyvelo._adata._names import cell_places
from steadyvelo._arguments import picture

from ._axes import finished
from ._colors import cell_colors
from ._plane import Plane

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["velocity_graph"]

_CHOSEN = 5
_MANY_EDGES = 2_000


@picture
def velocity_graph(
    adata: AnnData,
    cells: str | Sequence[str] | None = None,
    *,
    basis: str = "auto",
    color: str | None = "auto",
    velocity_key: str = "velocity",
    ax: Axes | None = None,
    components: tuple[int, int] = (0, 1),
    threshold: float = 0.0,
    rng: int | np.random.Generator | None = 0,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.3,
    legend_loc: str | None = "auto",
    title: str | None = None,
    show: bool = False,
) -> Axes:
    """Draw the edges of some cells in the velocity graph.

    An edge leads from a chosen cell (outlined) to a cell near it. Its colour is the correlation
    between the cell's velocity and the difference in expression to the other cell: red if the
    velocity points to the other cell, blue if it points away from it. The arrow of a cell is a mean
    of unit vectors along its edges, with weights that depend on these correlations.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_embedding`.
    cells
        Names of cells; None chooses five cells at random.
    basis, color, velocity_key, ax, components
        As in :func:`steadyvelo.pl.velocity_stream`.
    threshold
        Leave out edges whose absolute correlation is not larger than this.
    rng
        Seed of the random choice of cells.
    palette, size, alpha, legend_loc, title, show
        As in :func:`steadyvelo.pl.velocity_stream`.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError
        If the graph, the embedding, the arrows or a column is missing, or a name is unknown.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> ax = sv.pl.velocity_graph(adata, ["cell 1", "cell 7"])
    >>> ax.figure.axes[1].get_ylabel()
    'correlation with the velocity'
    """
    plane = Plane.of(adata, basis, velocity_key, components)
    remedy = f"run tl.velocity_graph(adata, velocity_key={velocity_key!r}) first."
    graphs = [
        field.read(adata, velocity_key, remedy=remedy) for field in (_keys.GRAPH, _keys.GRAPH_NEG)
    ]
    places = _places(adata, cells, rng)
    colors = cell_colors(adata, color, palette)
    edges = sp.coo_array(sum(sp.csr_array(graph)[places] for graph in graphs))
    strong = np.abs(edges.data) > threshold
    start, end = places[edges.row[strong]], edges.col[strong]
    value = edges.data[strong]
    # edges with the largest correlation on top
    order = np.argsort(value)
    most = float(np.abs(value).max(initial=0.0)) or 1.0
    ax = plane.draw_cells(ax, colors, size=size, alpha=alpha, legend_loc=legend_loc, title=title)
    lines = LineCollection(
        np.stack([plane.points[start[order]], plane.points[end[order]]], axis=1).tolist(),
        array=value[order],
        cmap="coolwarm",
        norm=TwoSlopeNorm(0.0, -most, most),
        linewidths=0.8,
        alpha=0.8,
        zorder=2,
        rasterized=len(value) > _MANY_EDGES,
    )
    ax.add_collection(lines, autolim=False)
    ax.figure.colorbar(lines, ax=ax, label="correlation with the velocity", shrink=0.7)
    ax.scatter(*plane.points[places].T, s=45, facecolors="none", edgecolors="black", zorder=3)
    return finished(ax, show=show)


def _places(
    adata: AnnData, cells: str | Sequence[str] | None, rng: int | np.random.Generator | None
) -> NDArray[np.intp]:
    """Return the indices of the chosen cells."""
    if cells is None:
        generator = np.random.default_rng(rng)
        return generator.choice(adata.n_obs, min(_CHOSEN, adata.n_obs), replace=False)
    return cell_places(adata, cells)
