"""Net flows between clusters, as arrows on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import FancyArrowPatch

from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._groups import AUTO
from steadyvelo._adata._stored_flows import StoredFlows
from steadyvelo._arguments import picture

from ._axes import finished
from ._colors import cell_colors
from ._names_on_data import middle
from ._plane import Plane
from ._style import STRONG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes

__all__ = ["cluster_graph"]

# width of an arrow without flow, additional width for a net flow of 1, and width of arrows that are
# not supported, points
_THIN, _ADDED, _PALE = 1.0, 5.0, 0.8
# bend of an arrow, as share of its length; gap between its ends and the centres, points
_BEND, _GAP = 0.12, 9.0


@picture
def cluster_graph(
    adata: AnnData,
    *,
    basis: str = "auto",
    color: str | None = "auto",
    velocity_key: str = "velocity",
    ax: Axes | None = None,
    components: tuple[int, int] = (0, 1),
    threshold: float = 0.0,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.3,
    legend_loc: str | None = "auto",
    title: str | None = None,
    show: bool = False,
) -> Axes:
    """Draw the net flows between clusters as arrows on an embedding.

    An arrow leads from one cluster to another, in the direction of their net flow. It connects the
    cells nearest to the medians of the clusters. Arrows of flows that are supported are dark, and
    wider for a larger flow; others are thin and pale, as are all of a fit without cross-fitted
    errors. Pairs of clusters without edges between them have no arrow. Flows are computed without
    the embedding, which is only drawn on.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.cluster_graph`, or a part of its cells.
    basis
        Name of the embedding; ``"auto"`` uses the one whose arrows were computed last.
    color
        Column of ``obs`` for the colours of cells; ``"auto"`` uses the clusters of the flows. With
        None, cells are grey.
    velocity_key, ax, components
        As in :func:`steadyvelo.pl.velocity_stream`.
    threshold
        Leave out net flows that are not larger than this.
    palette, size, alpha, legend_loc, title, show
        As in :func:`steadyvelo.pl.velocity_stream`.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError
        If flows were not computed, or the embedding or a column is missing.
    ValueError
        If cells have changed their clusters since the flows were computed.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=400, n_genes=80, depth=2, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    >>> sv.tl.cluster_graph(adata, "clusters", n_controls=5)
    >>> ax = sv.pl.cluster_graph(adata)
    >>> len(ax.patches) == len(sv.get.cluster_graph(adata)) // 2
    True
    """
    check_adata(adata)
    flows = StoredFlows.read(adata, velocity_key)
    plane = Plane.of_cells(adata, basis, velocity_key, components)
    if color == AUTO and AUTO not in adata.obs and flows.groupby in adata.obs:
        color = flows.groupby
    colors = cell_colors(adata, color, palette)
    ax = plane.draw_cells(ax, colors, size=size, alpha=alpha, legend_loc=legend_loc, title=title)
    pale = colors.tone_apart(ax, alpha)
    there = set(np.unique(flows.codes))
    centres = {
        name: middle(plane.points[flows.codes == number])
        for number, name in enumerate(flows.names)
        if number in there
    }
    rows = flows.one_way
    # the strongest on top
    for row, sure in zip(rows[::-1].itertuples(), flows.is_supported(rows)[::-1], strict=True):
        if row.net > threshold and {row.source, row.target} <= set(centres):
            arrow = FancyArrowPatch(
                centres[row.source],
                centres[row.target],
                connectionstyle=f"arc3,rad={_BEND}",
                arrowstyle="-|>",
                mutation_scale=14 if sure else 9,
                shrinkA=_GAP,
                shrinkB=_GAP,
                linewidth=_THIN + _ADDED * min(row.net, 1.0) if sure else _PALE,
                color=STRONG if sure else pale,
                zorder=4 if sure else 3,
            )
            ax.add_patch(arrow)
    plane.explain_tones(ax, ("supported net flow", "not supported"), pale)
    return finished(ax, show=show)
