"""Verdicts of the clusters, and how many of their cells have a significant direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import get
from steadyvelo._adata._checks import check_adata
from steadyvelo._arguments import picture

from ._axes import as_text, finished, new_axes
from ._style import LEGEND_TEXT

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

__all__ = ["reliability"]

# colours that do not rely on the difference of red and green
_COLORS = {
    "supported": "#1b7837",
    "weak": "#e08214",
    "contradicted": "#8e3b8e",
    "not supported": "#9e9e9e",
}
_OTHER = "#9e9e9e"


@picture
def reliability(
    adata: AnnData, *, velocity_key: str = "velocity", ax: Axes | None = None, show: bool = False
) -> Axes:
    """Draw the verdict of each cluster and the share of its cells with a significant direction.

    A black line marks the share in sign-flipped controls, if they were computed. A bar that does
    not exceed this line is not larger than expected from noise.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.reliability`.
    velocity_key
        Prefix of the fit.
    ax, show
        As in :func:`steadyvelo.pl.velocity_stream`.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError
        If reliability was not computed.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty="crossfit", groupby="clusters")
    >>> ax = sv.pl.reliability(adata)
    >>> ax.get_xlabel()
    'share of cells with a significant direction'
    """
    check_adata(adata)
    table = get.verdicts(adata, velocity_key=velocity_key)
    names = [str(name) for name in table.index]
    verdicts = table["verdict"].astype(str)
    if ax is None:
        ax = new_axes(6.5, 1.0 + 0.36 * len(names))
    places = range(len(names))
    ax.barh(places, table["determined"], color=[_COLORS.get(v, _OTHER) for v in verdicts])
    controls = table.get("control_determined", pd.Series(np.nan, index=table.index))
    for place, share, control, verdict in zip(
        places, table["determined"], controls, verdicts, strict=True
    ):
        ax.plot([control] * 2, [place - 0.4, place + 0.4], color="black", lw=1.5)
        end = np.nanmax([share, control])
        ax.annotate(verdict, (end, place), (5, 0), textcoords="offset points", va="center")
    ax.set_yticks(
        places, [f"{as_text(name)} ({n:,})" for name, n in zip(names, table["cells"], strict=True)]
    )
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, 1.25)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    ax.set_xlabel("share of cells with a significant direction")
    ax.spines[["top", "right"]].set_visible(False)
    if controls.notna().any():
        ax.plot([], [], color="black", lw=1.5, label="in sign-flipped controls")
        ax.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize=LEGEND_TEXT
        )
    return finished(ax, show=show)
