"""Molecules of each cell: by a column of `obs`, or by the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_key, is_integer, listed

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["TOTALS", "CellSizes", "cell_sizes"]

TOTALS = {"spliced": _keys.SPLICED_TOTAL, "unspliced": _keys.UNSPLICED_TOTAL}


class CellSizes(NamedTuple):
    """Molecules per cell.

    Attributes
    ----------
    size
        Over all genes, as far as is known.
    sum
        Over the genes at hand.
    source
        Column of `obs` that sizes come from, or "layer".
    """

    size: NDArray[np.float64]
    sum: NDArray[np.float64]
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
