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
def add_log_sums(
    indptr: Array,
    indices: Array,
    data: Array,
    inverse: Array,
    place: Array,
    sums: Array,
    start: int,
    stop: int,
) -> None:
    """Add Σ x and Σ x² of x = log(1 + counts · inverse) to the rows of `sums`, (2, genes)."""
    known = np.empty(_FEW + 1, dtype=np.float32)
    for c in range(start, stop):
        by = np.float32(inverse[c])
        _list_logarithms(by, known)
        for k in range(indptr[c], indptr[c + 1]):
            g = place[indices[k]]
            if g >= 0:
                x = np.float64(_logarithm(data[k], by, known))
                sums[0, g] += x
                sums[1, g] += x * x


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
def project_log_rows(
    indptr: Array,
    indices: Array,
    data: Array,
    inverse: Array,
    place: Array,
    scale: Array,
    vectors: Array,
    shift: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write the products of these rows with vectors, (genes, vectors), minus a shift of each."""
    n = vectors.shape[1]
    total = np.empty(n)
    known = np.empty(_FEW + 1, dtype=np.float32)
    for c in range(start, stop):
        by = np.float32(inverse[c])
        _list_logarithms(by, known)
        for d in range(n):
            total[d] = -shift[d]
        for k in range(indptr[c], indptr[c + 1]):
            g = place[indices[k]]
            if g >= 0:
                x = np.float64(scale[g] * _logarithm(data[k], by, known))
                vector = vectors[g]
                for d in range(n):
                    total[d] += x * vector[d]
        for d in range(n):
            out[c, d] = total[d]
