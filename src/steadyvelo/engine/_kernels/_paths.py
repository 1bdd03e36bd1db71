"""Paths of random walks."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def walk_paths(
    indptr: Array,
    indices: Array,
    data: Array,
    scale: float,
    uniforms: Array,
    paths: Array,
    start: int,
    stop: int,
) -> None:
    """Write the cells of some paths, whose first cells are in the first column of `paths`.

    A step goes to the first cell of a row whose cumulative share of exp(λ c_ij) exceeds a uniform
    number. A walk stays in a cell with an empty row.
    """
    for p in range(start, stop):
        cell = paths[p, 0]
        for step in range(uniforms.shape[1]):
            first, end = indptr[cell], indptr[cell + 1]
            if first < end:
                top = -np.inf
                for k in range(first, end):
                    top = max(top, np.float64(data[k]))
                left = 0.0
                for k in range(first, end):
                    left += np.exp(scale * (np.float64(data[k]) - top))
                left *= uniforms[p, step]
                # rounding can leave a little at the last edge
                cell = indices[end - 1]
                for k in range(first, end):
                    left -= np.exp(scale * (np.float64(data[k]) - top))
                    if left < 0.0:
                        cell = indices[k]
                        break
            paths[p, step + 1] = cell
