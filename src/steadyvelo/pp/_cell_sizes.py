"""Molecules of each cell, and signs that they are of a selection of genes: no library sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_key, is_integer, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["TOTALS", "CellSizes", "Doubt", "cell_sizes", "selected_genes"]

TOTALS = {"spliced": _keys.SPLICED_TOTAL, "unspliced": _keys.UNSPLICED_TOTAL}
# where Seurat and scVelo keep a cell's molecules before genes are selected
_OTHER_TOTALS = ("nCount_{kind}", "initial_size_{kind}")
# as scanpy and scVelo mark them
_MARKS = ("highly_variable", "highly_variable_genes")
# of a cell's molecules; filters of rare genes drop less
_MOST_DROPPED = 0.05


class CellSizes(NamedTuple):
    """Molecules per cell: over all genes, as far as is known, and over the genes at hand."""

    size: NDArray[np.float64]
    sum: NDArray[np.float64]
    # column of `obs` that sizes come from, or "layer"
    source: str


def cell_sizes(
    adata: AnnData, kind: str, layer: Any, layer_name: str, column: str | None
) -> CellSizes:
    """Return molecules per cell by the column named, by the reader's, or by the layer."""
    own = np.asarray(layer.sum(axis=1, dtype=np.float64)).ravel()
    total = TOTALS[kind].of()
    written = _keys.SIZE_PARAMS.read(adata, default={}).get(f"{kind}_layer")
    if column is None and (total not in adata.obs or written not in (None, layer_name)):
        return CellSizes(own, own, "layer")
    name = total if column is None else column
    values = check_key(adata, "obs", name, "name the column with the cell's molecules.")
    if values.dtype.kind not in "iuf":
        msg = f"adata.obs[{name!r}] holds {values.dtype}; sizes must be numbers."
        raise TypeError(msg)
    size = values.to_numpy(dtype=np.float64)
    bad = ~(np.isfinite(size) & (size >= 0))
    if bad.any():
        msg = (
            f"adata.obs[{name!r}] must be finite and not negative to be used as sizes; it is not "
            f"in {int(bad.sum()):,} cells ({listed(adata.obs_names[bad], 3)}, {size[bad][0]:g})."
        )
        raise ValueError(msg)
    short = own > size * (1 + 1e-6)
    if column is None and short.any() and is_integer(layer):
        msg = (
            f"adata.obs[{name!r}] holds fewer molecules than layer {layer_name!r} in "
            f"{int(short.sum()):,} cells ({listed(adata.obs_names[short], 3)}): it belongs to "
            f"other counts. Delete it, or name a column as {kind}_size=."
        )
        raise ValueError(msg)
    return CellSizes(size, own, name)


class Doubt(NamedTuple):
    """What is wrong with sizes of cells, and what to do."""

    share: float
    reason: str
    remedy: str


def selected_genes(adata: AnnData, found: Mapping[str, CellSizes]) -> Doubt | None:
    """Return what says that sizes, by kind, are of a selection of genes, or None.

    A total in `obs` counts where no cell's is smaller than its size.
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
            f"the genes hold {share:.0%} of a cell's molecules by {columns}",
            f"take sizes of cells from there: {options} (in Python {arguments})",
        )
    if any(np.any(sizes.size > sizes.sum) for sizes in found.values()):
        return None
    var = adata.var
    for mark in _MARKS:
        if mark in var and len(var) and var[mark].dtype.kind == "b" and var[mark].all():
            return Doubt(
                np.nan,
                f"all genes are marked in var[{mark!r}]: they are a selection",
                "write each cell's molecules over all genes into obs before genes are selected, "
                "and name the columns by --spliced-size and --unspliced-size",
            )
    return None


def _share_kept(total: pd.Series, size: NDArray[np.float64]) -> float:
    """Return the median share of a cell's total in its size; 1 where it is no total of it."""
    if total.dtype.kind not in "iuf":
        return 1.0
    whole = total.to_numpy(dtype=np.float64)
    some = size > 0
    if not some.any() or not (size <= whole * (1 + 1e-6)).all():
        return 1.0
    return float(np.median(size[some] / whole[some]))
