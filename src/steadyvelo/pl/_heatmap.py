"""Expression of genes along pseudotime."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._groups import found_column
from steadyvelo._arguments import picture

from ._axes import as_text, finished, new_axes
from ._colors import cell_colors, color_column
from ._gene_values import gene_names, moments_of_genes
from ._legend import explain_above
from ._style import LEGEND_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["heatmap"]


@picture
def heatmap(
    adata: AnnData,
    genes: Sequence[str],
    *,
    sortby: str | None = None,
    color: str | None = "auto",
    velocity_key: str = "velocity",
    n_bins: int = 100,
    sort_genes: bool = True,
    cmap: str = "viridis",
    palette: Mapping[str, Any] | None = None,
    ax: Axes | None = None,
    show: bool = False,
) -> Axes:
    """Draw smoothed expression of genes along pseudotime.

    Cells are sorted by pseudotime and averaged in bins with equal numbers of cells. Each gene is
    scaled from 0 in its lowest bin to 1 in its highest bin, and genes are sorted by their highest
    bins. A strip above shows the most frequent category of each bin.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_pseudotime`.
    genes
        Names of genes.
    sortby
        Numeric column of ``obs`` by which cells are sorted; None means ``"velocity_pseudotime"``
        for ``velocity_key="velocity"``. Cells with missing values are left out.
    color
        Column of ``obs`` with categories for the strip; ``"auto"`` uses clusters if there are any,
        None draws no strip.
    velocity_key
        Prefix of the fit whose smoothed abundances are drawn.
    n_bins
        Number of bins, at most the number of cells.
    sort_genes
        Sort genes by their highest bins; False keeps the given order.
    cmap
        Colour map of matplotlib.
    palette, ax, show
        As in :func:`steadyvelo.pl.velocity_stream`.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError
        If there is no fit, or a gene or column is unknown.
    ValueError
        If the column is not numeric, or has no non-missing values.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.velocity_pseudotime(adata)
    >>> ax = sv.pl.heatmap(adata, adata.var_names[:8], color="clusters")
    >>> len(ax.get_yticklabels())
    8
    """
    check_adata(adata)
    names = gene_names(adata, genes)
    fit = Fit.read(adata, velocity_key)
    order, edges = _bins(adata, sortby or _keys.PSEUDOTIME.of(velocity_key), n_bins)
    spliced, _ = moments_of_genes(fit, names)
    sums = np.add.reduceat(spliced[:, order], edges[:-1], axis=1)
    means = sums / np.diff(edges)
    low, high = means.min(axis=1, keepdims=True), means.max(axis=1, keepdims=True)
    scaled = (means - low) / np.where(high > low, high - low, 1.0)
    rows = np.argsort(scaled.argmax(axis=1), kind="stable") if sort_genes else np.arange(len(names))
    own = ax is None
    if ax is None:
        ax = new_axes(7, 1.2 + 0.18 * len(names))
    drawn = ax.imshow(
        scaled[rows], aspect="auto", interpolation="nearest", cmap=cmap, vmin=0, vmax=1
    )
    ax.set_yticks(range(len(names)), [as_text(names[row]) for row in rows], fontsize=LEGEND_TEXT)
    ax.set_xticks([])
    ax.set_xlabel(sortby or _keys.PSEUDOTIME.of(velocity_key))
    ax.figure.colorbar(drawn, ax=ax, label="scaled expression", shrink=0.7)
    color = found_column(adata, color)
    if color is not None:
        _strip(ax, adata, color, palette, order, edges)
    return finished(ax, own=own, show=show)


def _bins(adata: AnnData, sortby: str, n_bins: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the sorted cells, and the limits of the bins."""
    if sortby not in adata.obs and sortby.endswith("_pseudotime"):
        msg = f"adata.obs has no {sortby!r}; run tl.velocity_pseudotime first, or name sortby=."
        raise KeyError(msg)
    column = color_column(adata, sortby, "sortby")
    if column.dtype.kind not in "fiu":
        msg = f"obs[{sortby!r}] has the type {column.dtype}; name a column of numbers as sortby=."
        raise ValueError(msg)
    values = column.to_numpy(dtype=np.float64)
    known = int(np.isfinite(values).sum())
    if known == 0:
        msg = f"obs[{sortby!r}] has no non-missing values; name another column as sortby=."
        raise ValueError(msg)
    values = np.where(np.isfinite(values), values, np.inf)
    order = np.argsort(values, kind="stable")[:known]
    return order, np.linspace(0, known, min(n_bins, known) + 1).astype(np.intp)


def _strip(
    ax: Axes,
    adata: AnnData,
    color: str,
    palette: Mapping[str, Any] | None,
    order: NDArray[np.intp],
    edges: NDArray[np.intp],
) -> None:
    """Draw the most frequent category of each bin above the axes."""
    colors = cell_colors(adata, color, palette)
    if not colors.categories:
        msg = (
            f"obs[{color!r}] has numbers; name a column of categories as color=, or use color=None."
        )
        raise ValueError(msg)
    codes = colors.codes[order]
    most = [
        int(np.bincount(codes[a:b] + 1, minlength=len(colors.categories) + 1).argmax()) - 1
        for a, b in pairwise(edges)
    ]
    table = [mpl.colors.to_rgb(c) for c in [*colors.categories.values(), "white"]]
    strip = ax.inset_axes((0, 1.01, 1, 0.04))
    strip.imshow(np.array([[table[code] for code in most]]), aspect="auto", interpolation="nearest")
    strip.set_axis_off()
    handles = [
        mpl.patches.Patch(color=value, label=as_text(name))
        for name, value in colors.categories.items()
    ]
    explain_above(ax.figure, handles)
