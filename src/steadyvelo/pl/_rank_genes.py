"""The genes whose velocity differs most between a group and all other cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from steadyvelo._arguments import picture
from steadyvelo.get import ranked_genes

from ._axes import as_text, finished, panels, write_title
from ._style import LEGEND_TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["rank_genes"]

# width and height of a panel without genes, and height per gene, inches
_PANEL = (3.0, 0.9, 0.2)


@picture
def rank_genes(
    adata: AnnData,
    groups: str | Sequence[str] | None = None,
    *,
    velocity_key: str = "velocity",
    n_genes: int = 12,
    level: float = 0.95,
    fdr: float = 0.05,
    n_columns: int = 4,
    ax: Axes | None = None,
    show: bool = False,
) -> Axes | NDArray[np.object_]:
    """Draw the effects of the top genes of each group, with intervals.

    A point is the difference of a gene's mean velocity between a group and all other cells, and the
    bar is its interval (normal quantiles). Genes with a false discovery rate above `fdr` are grey.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.rank_velocity_genes`.
    groups
        Names of groups; None means all groups for which genes were ranked.
    velocity_key
        Prefix of the fit.
    n_genes
        Number of genes per group, those with the largest absolute statistic.
    level
        Coverage of the intervals.
    fdr
        Largest false discovery rate of genes that are coloured.
    n_columns
        Number of columns of the figure.
    ax
        Axes to draw on, for one group; None makes a new figure.
    show
        Open the picture in a window.

    Returns
    -------
    The axes, or an array of axes for several groups.

    Raises
    ------
    KeyError
        If genes were not ranked, or not for one of `groups`.
    ValueError
        If `ax` is given for several groups, or `level` is not between 0 and 1.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.rank_velocity_genes(adata, "branch")
    >>> [ax.get_title() for ax in sv.pl.rank_genes(adata)]
    ['branch 1', 'branch 2', 'trunk']
    """
    table = ranked_genes(adata, groups, velocity_key=velocity_key)
    names = list(table["group"].unique())
    if ax is not None and len(names) > 1:
        msg = f"ax is for one group, and there are {len(names)}; name one with groups=."
        raise ValueError(msg)
    if ax is None:
        width, extra, each = _PANEL
        axes = panels(len(names), n_columns, (width, extra + each * n_genes))
    else:
        axes = np.array([ax], dtype=object)
    for panel, name in zip(axes, names, strict=True):
        rows = table[(table["group"] == name) & table["statistic"].notna() & table["ranked"]]
        rows = rows.reindex(rows["statistic"].abs().sort_values(ascending=False).index)[:n_genes]
        _draw(panel, rows.sort_values("statistic", ascending=False), level, fdr)
        write_title(panel, name)
    return finished(axes[0] if len(names) == 1 else axes, show=show)


def _draw(ax: Axes, rows: pd.DataFrame, level: float, fdr: float) -> None:
    """Draw the effect of each gene and its interval, the first gene on top."""
    effect, places = rows["effect"].to_numpy(), np.arange(len(rows))
    half = float(ndtri(0.5 + level / 2)) * rows["se"]
    colors = np.where(rows["fdr"] <= fdr, np.where(effect > 0, "#b40426", "#3b4cc0"), "0.6")
    ax.hlines(places, effect - half, effect + half, colors=colors, lw=1.5)
    ax.scatter(effect, places, c=colors, s=18, zorder=3)
    ax.axvline(0, color="0.8", lw=0.8, zorder=0)
    ax.set_yticks(places, map(as_text, rows["gene"]), fontsize=LEGEND_TEXT)
    ax.invert_yaxis()
    ax.set_xlabel("velocity, group − rest")
    ax.spines[["top", "right"]].set_visible(False)
