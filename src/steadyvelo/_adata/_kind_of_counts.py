"""Whether the values of a layer are raw counts, or were divided by library sizes before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ._checks import is_integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fractional_values", "is_normalised", "looks_logged"]

# cells that are looked at, and the fewest positive values of a cell
_CELLS, _LEAST_VALUES = 300, 5
# share of the values of a cell that are whole multiples of its smallest value
_MOST_WHOLE = 0.9
# relative deviation of totals, or of the smallest values of cells, below which they are the same
_SAME = 0.05


def is_normalised(layer: Any) -> bool:
    """Tell whether the values of each cell were divided by its library size, or log-transformed.

    Whole numbers are raw. Of other values, those of a cell that are whole multiples of its smallest
    value were whole before they were divided by a number of this cell. If all cells have the same
    total, it was made the same. Other values are raw counts that were corrected, such as for
    ambient RNA, or estimated.
    """
    if is_integer(layer):
        return False
    total = np.asarray(layer.sum(axis=1), dtype=np.float64).ravel()
    total = total[total > 0]
    if len(total) > 1 and total.std() < _SAME * total.mean():
        return True
    smallest, whole = [], []
    for values in _some_cells(layer):
        smallest.append(values.min())
        whole.append(_share_whole(values / values.min()))
    if not whole:
        return False
    varies = float(np.std(smallest)) > _SAME * float(np.mean(smallest))
    return (varies and float(np.mean(whole)) > _MOST_WHOLE) or looks_logged(layer)


def fractional_values(layer_name: str, *, normalised: bool) -> str:
    """Return how values that are not whole numbers are taken, as a sentence."""
    start = f"layer {layer_name!r} has values that are not whole numbers; they are taken as "
    if normalised:
        return (
            f"{start}normalised, with a size factor of 1. Use raw counts if possible; if these are "
            "raw, say counts='raw' (--counts raw)."
        )
    return (
        f"{start}raw counts that were corrected or estimated, and divided by size factors. If they "
        "were divided by library sizes before, say counts='normalised' (--counts normalised)."
    )


def looks_logged(layer: Any) -> bool:
    """Tell whether values are multiples of a cell's smallest value after undoing a logarithm."""
    plain, undone = [], []
    for values in _some_cells(layer):
        if values.min() < values.max() < 50:
            raw = np.expm1(values)
            plain.append(_share_whole(values / values.min()))
            undone.append(_share_whole(raw / raw.min()))
    return len(plain) > 0 and bool(np.mean(undone) > _MOST_WHOLE > np.mean(plain))


def _some_cells(layer: Any) -> list[NDArray[np.float64]]:
    """Return the positive values of some cells that have enough of them."""
    rows = np.linspace(0, layer.shape[0] - 1, min(layer.shape[0], _CELLS)).astype(int)
    some = sp.csr_array(layer[rows])
    cells = np.split(some.data.astype(np.float64), some.indptr[1:-1])
    positive = (values[values > 0] for values in cells)
    return [values for values in positive if len(values) >= _LEAST_VALUES]


def _share_whole(values: NDArray[np.float64]) -> float:
    return float((np.abs(values - np.round(values)) < 1e-3 * np.maximum(values, 1)).mean())
