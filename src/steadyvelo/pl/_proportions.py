"""Shares of spliced, unspliced and ambiguous molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._ambiguous import separate_ambiguous
from steadyvelo._adata._checks import check_adata, check_counts
from steadyvelo._adata._groups import found_column, grouping_column
from steadyvelo._arguments import picture
from steadyvelo.engine import count_threads, row_products

from ._axes import as_text, finished, new_axes

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["proportions"]

# smallest share that is written on its bar
_WRITTEN = 0.05
_KINDS = {_keys.SPLICED: "#4c72b0", _keys.UNSPLICED: "#dd8452", _keys.AMBIGUOUS: "#b0b0b0"}


@picture
def proportions(
    adata: AnnData, groupby: str | None = "auto", *, ax: Axes | None = None, show: bool = False
) -> Axes:
    """Draw the shares of spliced, unspliced and ambiguous molecules of groups of cells.

    Shares are computed from the summed molecules of a group, not as means over its cells. Unspliced
    shares of 10 to 30 % are usual in whole cells; nuclei have more. Check a group whose share
    differs from that of similar groups.

    Parameters
    ----------
    adata
        Cells × genes with layers ``spliced``, ``unspliced`` and, optionally, ``ambiguous``.
    groupby
        Column of ``obs`` with groups; ``"auto"`` uses clusters if there are any, None uses all
        cells together.
    ax, show
        As in :func:`steadyvelo.pl.velocity_stream`.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError
        If the column or a layer of counts is missing.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> ax = sv.pl.proportions(adata)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['spliced', 'unspliced']
    """
    check_adata(adata)
    apart = separate_ambiguous(adata) is not None
    kinds = [kind for kind in _KINDS if apart or kind is not _keys.AMBIGUOUS]
    molecules = [_molecules(check_counts(adata, kind.of())) for kind in kinds]
    groupby = found_column(adata, groupby)
    if groupby is None:
        names, codes = ["all cells"], np.zeros(adata.n_obs, dtype=np.intp)
    else:
        remedy = "give a column of clusters or samples."
        column = grouping_column(adata, "groupby", groupby, remedy)
        column = column.astype("category").cat.remove_unused_categories()
        names = [str(name) for name in column.cat.categories]
        codes = column.cat.codes.to_numpy(dtype=np.intp)
    known = codes >= 0
    sums = np.stack(
        [np.bincount(codes[known], row[known], minlength=len(names)) for row in molecules]
    )
    shares = sums / np.maximum(sums.sum(axis=0), 1)
    if ax is None:
        ax = new_axes(5.5, 0.8 + 0.32 * len(names))
    left, rows = np.zeros(len(names)), [as_text(name) for name in names]
    for kind, share in zip(kinds, shares, strict=True):
        ax.barh(rows, share, left=left, color=_KINDS[kind], label=kind.of())
        for row in np.flatnonzero(share >= _WRITTEN):
            # inside the bars, so that the layout need not measure them
            middle = left[row] + share[row] / 2
            text = ax.text(middle, row, f"{share[row]:.0%}", ha="center", va="center")
            text.set_in_layout(False)
        left += share
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    ax.set_xlabel("share of molecules")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(kinds), frameon=False)
    return finished(ax, show=show)


def _molecules(counts: Any) -> NDArray[np.float64]:
    """Return the molecules of each cell."""
    if sp.issparse(counts) and counts.format == "csr":
        # five times as fast as scipy's sum of integers
        return np.asarray(
            row_products(counts, n_threads=count_threads()) @ np.ones(counts.shape[1])
        )
    return np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
