"""The velocity field of the data beside that of a sign-flipped control."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, check_key
from steadyvelo._adata._embeddings import found_basis
from steadyvelo._arguments import picture

from ._axes import finished, given_axes, map_size, panels
from ._colors import cell_colors
from ._plane import Plane
from ._velocity_stream import draw_stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["control"]

# larger side of a panel, inches
_SIDE = 5.5


@picture
def control(
    adata: AnnData,
    *,
    basis: str = "auto",
    color: str | None = "auto",
    velocity_key: str = "velocity",
    ax: Sequence[Axes] | None = None,
    components: tuple[int, int] = (0, 1),
    smoothing: float = 0.02,
    min_cells: int = 3,
    density: float = 1.0,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.55,
    legend_loc: str | None = "auto",
    show: bool = False,
) -> NDArray[np.object_]:
    """Draw the streamlines of the data beside those of a sign-flipped control.

    Both are computed in the same way. Patterns that the control also shows are effects of smoothing
    and projection; only patterns that the control does not show can come from velocities. If
    directions of the data were tested, all lines of the control are pale, because the cells of a
    control share no direction.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.randomized_velocity`, or a part of its cells.
    basis, color, velocity_key, components, smoothing, min_cells, density, show
        As in :func:`steadyvelo.pl.velocity_stream`.
    ax
        Two axes to draw on; None makes a new figure.
    palette, size, alpha, legend_loc
        As there; a legend is drawn beside the right panel, names on the data in both panels.

    Returns
    -------
    The two axes.

    Raises
    ------
    KeyError
        If the control was not computed on this embedding, or a column is missing.
    ValueError
        If `ax` does not have two axes, or no cell has an arrow.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.randomized_velocity(adata, basis="pca")
    >>> [ax.get_title() for ax in sv.pl.control(adata, basis="pca")]
    ['data', 'sign-flipped control']
    """
    check_adata(adata)
    basis = found_basis(adata, basis, velocity_key)
    name = _keys.RANDOMIZED.of(velocity_key, basis)
    check_key(adata, "obsm", name, f"run tl.randomized_velocity(adata, basis={basis!r}) first.")
    # the arrows of the control have the name of the arrows of another fit
    keys = velocity_key, name.removesuffix(f"_{basis}")
    data, flipped = (Plane.of(adata, basis, key, components) for key in keys)
    if data.determined is not None:
        flipped = replace(flipped, determined=np.zeros(adata.n_obs, dtype=bool))
    colors = cell_colors(adata, color, palette)
    if ax is None:
        axes = panels(2, 2, map_size(data.points, _SIDE))
    else:
        axes = given_axes(ax, 2, "two axes, for the data and the control")
    cells: dict[str, Any] = {"size": size, "alpha": alpha, "legend_loc": legend_loc}
    lines: dict[str, Any] = {"smoothing": smoothing, "min_cells": min_cells, "density": density}
    draw_stream(
        axes[1], flipped, colors, {**cells, "title": "sign-flipped control"}, **lines, note=False
    )
    # a legend at the right panel is enough for both
    cells["legend_loc"] = "on data" if len(axes[1].texts) else None
    draw_stream(axes[0], data, colors, {**cells, "title": "data"}, **lines)
    return finished(axes, own=ax is None, show=show)
