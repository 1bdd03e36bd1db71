"""Signs that counts are of a selection of genes: their sums are no library sizes then."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from ._cell_sizes import CellSizes

__all__ = ["Doubt", "selected_genes"]

# where Seurat and scVelo keep a cell's molecules before genes are selected
_TOTALS = ("nCount_{kind}", "initial_size_{kind}")
# as scanpy and scVelo mark them
_MARKS = ("highly_variable", "highly_variable_genes")
# of a cell's molecules; filters of rare genes drop less
_MOST_DROPPED = 0.05


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
        for template in _TOTALS:
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
