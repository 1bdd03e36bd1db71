"""Library sizes of cells, and signs that they are those of selected genes only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_key, is_integer, listed
from steadyvelo._settings import settings
from steadyvelo.engine import count_threads, weighted_row_sums

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["TOTALS", "CellSizes", "Doubt", "cell_sizes", "selected_genes"]

TOTALS = {"spliced": _keys.SPLICED_TOTAL, "unspliced": _keys.UNSPLICED_TOTAL}
# names of library sizes that Seurat and scVelo compute before genes are selected
_OTHER_TOTALS = ("nCount_{kind}", "initial_size_{kind}")
# names by which scanpy and scVelo mark genes
_MARKS = ("highly_variable", "highly_variable_genes")
# largest share of a cell's molecules that a filter of rare genes removes
_MOST_DROPPED = 0.05


class CellSizes(NamedTuple):
    """Library sizes: over all genes as far as they are known, and over the genes of the layer."""

    size: NDArray[np.float64]
    sum: NDArray[np.float64]
    # column of `obs` with the library sizes, or "layer"
    source: str


def cell_sizes(
    adata: AnnData, kind: str, layer: Any, layer_name: str, column: str | None
) -> CellSizes:
    """Return library sizes from the given column, from that of the reader, or from the layer."""
    every = np.ones((layer.shape[1], 1))
    own = weighted_row_sums(layer, every, count_threads(settings.n_threads)).ravel()
    total = TOTALS[kind].of()
    written = _keys.SIZE_PARAMS.read(adata, default={}).get(f"{kind}_layer")
    if column is None and (total not in adata.obs or written not in (None, layer_name)):
        return CellSizes(own, own, "layer")
    name = total if column is None else column
    values = check_key(adata, "obs", name, "give a column with library sizes.")
    if values.dtype.kind not in "iuf":
        msg = (
            f"adata.obs[{name!r}] has values of type {values.dtype}; library sizes must be numbers."
        )
        raise TypeError(msg)
    size = values.to_numpy(dtype=np.float64)
    bad = ~(np.isfinite(size) & (size >= 0))
    if bad.any():
        msg = (
            f"adata.obs[{name!r}] has negative or non-finite values in {int(bad.sum()):,} cells "
            f"({listed(adata.obs_names[bad], 3)}, {size[bad][0]:g}), so it cannot contain library "
            f"sizes; correct it, or give another column as {kind}_size=."
        )
        raise ValueError(msg)
    short = own > size * (1 + 1e-6)
    if column is None and short.any() and is_integer(layer):
        msg = (
            f"adata.obs[{name!r}] has fewer molecules than layer {layer_name!r} in "
            f"{int(short.sum()):,} cells ({listed(adata.obs_names[short], 3)}), so it belongs to "
            f"other counts. Delete it, or give another column as {kind}_size=."
        )
        raise ValueError(msg)
    return CellSizes(size, own, name)


class Doubt(NamedTuple):
    """A problem of library sizes, and its remedy."""

    share: float
    reason: str
    remedy: str


def selected_genes(adata: AnnData, found: Mapping[str, CellSizes]) -> Doubt | None:
    """Return a sign that library sizes are those of selected genes only, or None.

    A total in `obs` is such a sign only if no cell's total is below its library size.
    """
    if not found:
        return None
    shares = {}
    for kind, sizes in found.items():
        for template in _OTHER_TOTALS:
            column = template.format(kind=kind)
            share = _share_kept(adata.obs[column], sizes.size) if column in adata.obs else 1.0
            if share < 1 - _MOST_DROPPED:
                shares[kind] = (column, share)
                break
    if shares:
        share = min(share for _, share in shares.values())
        columns = " and ".join(f"obs[{column!r}]" for column, _ in shares.values())
        options = " ".join(f"--{kind}-size {column}" for kind, (column, _) in shares.items())
        arguments = ", ".join(f"{kind}_size={column!r}" for kind, (column, _) in shares.items())
        return Doubt(
            share,
            f"the genes of this table contain {share:.0%} of a cell's molecules in {columns}",
            f"take library sizes from there: {options} (in Python {arguments})",
        )
    if any(np.any(sizes.size > sizes.sum) for sizes in found.values()):
        return None
    var = adata.var
    for mark in _MARKS:
        if mark in var and len(var) and var[mark].dtype.kind == "b" and var[mark].all():
            return Doubt(
                np.nan,
                f"all genes are marked in var[{mark!r}], so they are selected genes",
                "store library sizes over all genes in obs before genes are selected, and give the "
                "columns as --spliced-size and --unspliced-size (in Python spliced_size=, "
                "unspliced_size=)",
            )
    return None


def _share_kept(total: pd.Series, size: NDArray[np.float64]) -> float:
    """Return the median share of `size` in a cell's total; 1 if `total` is smaller than `size`."""
    if total.dtype.kind not in "iuf":
        return 1.0
    whole = total.to_numpy(dtype=np.float64)
    some = size > 0
    if not some.any() or not (size <= whole * (1 + 1e-6)).all():
        return 1.0
    return float(np.median(size[some] / whole[some]))
