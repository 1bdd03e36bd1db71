"""Log-normalised expression of some genes, row by row from counts in CSR format."""

from __future__ import annotations

from typing import Any

import numpy as np

from steadyvelo.model._jit import Array, kernel

# logarithms of counts up to this one are computed once for a cell
_FEW = 8


@kernel
def _list_logarithms(by: Any, known: Array) -> None:
    for n in range(known.shape[0]):
        known[n] = np.log1p(np.float32(n) * by)


@kernel
def _logarithm(count: Any, by: Any, known: Array) -> Any:
    """Return log(1 + count · by), from the list if it is there."""
    if 0 <= count < known.shape[0]:
        whole = int(count)
        if whole == count:
            return known[whole]
    return np.log1p(np.float32(count) * by)


@kernel
def log_rows(
    indptr: Array,
    indices: Array,
    data: Array,
    inverse: Array,
    place: Array,
    scale: Array,
    cells: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write scale · log(1 + counts · inverse) of the listed cells to a dense array."""
    known = np.empty(_FEW + 1, dtype=np.float32)
    for i in range(start, stop):
        c, row = cells[i], out[i]
        by = np.float32(inverse[c])
        _list_logarithms(by, known)
        row[:] = 0.0
        for k in range(indptr[c], indptr[c + 1]):
            g = place[indices[k]]
            if g >= 0:
                row[g] += scale[g] * _logarithm(data[k], by, known)


@kernel
def project_rows(
    indptr: Array,
    indices: Array,
    data: Array,
    inverse: Array,
    place: Array,
    vectors: Array,
    shift: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write Σ_g v_gk log(1 + counts · inverse) − shift_k of the rows; `vectors` are (genes, k)."""
    known = np.empty(_FEW + 1, dtype=np.float32)
    for i in range(start, stop):
        row = out[i]
        by = np.float32(inverse[i])
        _list_logarithms(by, known)
        for d in range(row.shape[0]):
            row[d] = -shift[d]
        for k in range(indptr[i], indptr[i + 1]):
            g = place[indices[k]]
            if g >= 0:
                value, vector = _logarithm(data[k], by, known), vectors[g]
                for d in range(row.shape[0]):
                    row[d] += value * vector[d]
