"""The velocity field of the data beside those of sign-flipped controls."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._controls import control_arrows, determined_in_controls
from steadyvelo._adata._embeddings import found_basis
from steadyvelo._arguments import picture
from steadyvelo.get import control_agreement
from steadyvelo.get._control_agreement import chance_agreement

from ._axes import as_text, finished, given_axes, map_size, panels
from ._colors import cell_colors
from ._plane import Plane
from ._style import LEGEND_TEXT
from ._velocity_stream import draw_stream, longest_arrows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["control"]

# larger side of a panel, inches, and panels side by side
_SIDE, _COLUMNS = 4.6, 3
# letters of the note in an inch of a figure
_LETTERS = 13


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
    """Draw the streamlines of the data beside those of sign-flipped controls.

    All are computed in the same way. Patterns that controls also show are effects of smoothing and
    projection; only patterns that no control shows can come from velocities. Lines have the same
    scale in all panels: where mean arrows are shorter, lines are thinner and not as long. If
    directions were tested in these controls (with the same `rng`), lines are dark where most nearby
    cells have a significant direction by chance, and otherwise pale. The note below the panels says
    how much the controls agree with the data.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.randomized_velocity`, or a part of its cells.
    basis, color, velocity_key, components, smoothing, min_cells, density, show
        As in :func:`steadyvelo.pl.velocity_stream`.
    ax
        Axes to draw on, one for the data and one for each control; None makes a new figure, with
        the note.
    palette, size, alpha, legend_loc
        As there; a legend is drawn beside the last panel, names on the data in all panels.

    Returns
    -------
    The axes: of the data, then of the controls.

    Raises
    ------
    KeyError
        If controls were not computed on this embedding, or a column is missing.
    ValueError
        If `ax` does not have one axes for each panel, or no cell has an arrow.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.randomized_velocity(adata, basis="pca", n_controls=2)
    >>> [ax.get_title() for ax in sv.pl.control(adata, basis="pca")]
    ['data', 'control 1', 'control 2']
    """
    check_adata(adata)
    basis = found_basis(adata, basis, velocity_key)
    data = Plane.of(adata, basis, velocity_key, components)
    controls = _controls(adata, data, velocity_key)
    planes = {"data": data, **{f"control {k + 1}": plane for k, plane in enumerate(controls)}}
    colors = cell_colors(adata, color, palette)
    if ax is None:
        axes = panels(len(planes), _COLUMNS, map_size(data.points, _SIDE))
    else:
        axes = given_axes(ax, len(planes), f"{len(planes)} axes, for the data and each control")
    cells: dict[str, Any] = {"size": size, "alpha": alpha, "legend_loc": legend_loc}
    field: dict[str, Any] = {"smoothing": smoothing, "min_cells": min_cells}
    scale = longest_arrows(data.field(**field))
    # a legend at the last panel is enough for all, so it is drawn first
    for panel, (title, plane) in reversed(list(zip(axes, planes.items(), strict=True))):
        options = {**cells, "title": title}
        draw_stream(
            panel,
            plane,
            colors,
            options,
            **field,
            density=density,
            scale=scale,
            note=plane is data,
        )
        cells["legend_loc"] = "on data" if len(panel.texts) else None
    if ax is None:
        groupby = colors.title if colors.categories else None
        table = control_agreement(
            adata, groupby, basis=basis, velocity_key=velocity_key, components=components
        )
        _write_note(axes[0].figure, chance_agreement(table))
    return finished(axes, own=ax is None, show=show)


def _controls(adata: AnnData, data: Plane, velocity_key: str) -> list[Plane]:
    """Return the controls on the plane of the data.

    Directions of a control that were not tested are not significant.
    """
    arrows = control_arrows(adata, data.basis, velocity_key)[:, :, list(data.components)]
    tested = determined_in_controls(adata, data.basis, velocity_key)
    planes = []
    for number in range(arrows.shape[1]):
        determined = None
        if data.determined is not None:
            known = tested is not None and number < tested.shape[1]
            determined = tested[:, number] if known else np.zeros(adata.n_obs, dtype=bool)
        planes.append(replace(data, arrows=arrows[:, number], determined=determined))
    return planes


def _write_note(figure: Any, text: str) -> None:
    """Write a note below all panels of a figure."""
    width = int(_LETTERS * figure.get_figwidth())
    figure.supxlabel(textwrap.fill(as_text(text), width), fontsize=LEGEND_TEXT)
