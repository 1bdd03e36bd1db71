"""Influences of the cells' counts on summed arrows, through the lines of a block of genes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ._kernels import _line_influences as kernels
from ._threads import for_rows

if TYPE_CHECKING:
    from steadyvelo.model._typing import Float32Array, Float64Array

__all__ = ["LineInfluences"]

# a larger share of non-zero values is stored as a dense array
_SPARSE = 0.4


@dataclass(frozen=True, eq=False)
class LineInfluences:
    """Influence of each row's counts on the summed arrows of groups, through the lines of a block.

    Attributes
    ----------
    psi, omega
        Influence on γ and on the offset, float32, shape (rows, genes of the block); sparse if many
        are zero. Without offsets, a cell that has no counts of a gene has no influence on its line.
    slopes, offsets
        Derivatives of the summed arrows, float32, shape (genes of the block, groups × dimensions).
    """

    psi: Any
    omega: Any
    slopes: Float32Array
    offsets: Float32Array

    @classmethod
    def of_block(
        cls,
        psi: Float32Array,
        omega: Float32Array,
        by_slope: Float64Array,
        by_offset: Float64Array,
        n_threads: int,
    ) -> LineInfluences:
        """Keep the influences of a block, whose arrays are overwritten by those of the next one.

        `by_slope` and `by_offset` are the derivatives, shape (groups, dimensions, genes).
        """
        derivatives = (
            x.reshape(x.shape[0] * x.shape[1], x.shape[2]).T for x in (by_slope, by_offset)
        )
        slopes, offsets = (np.ascontiguousarray(x, dtype=np.float32) for x in derivatives)
        return cls(_compact(psi, n_threads), _compact(omega, n_threads), slopes, offsets)

    def of_rows(self, rows: slice) -> Float32Array:
        """Return Σ_g (G_g ψ_cg + H_g ω_cg) of some rows, shape (rows, groups × dimensions)."""
        moved = self.psi[rows] @ self.slopes
        if self.omega.shape[1] > 0:
            moved += self.omega[rows] @ self.offsets
        return np.asarray(moved)


def _compact(values: Float32Array, n_threads: int) -> Any:
    """Return a copy of values, as a sparse matrix if many are zero."""
    n_rows, n_columns = values.shape
    counts = np.zeros(n_rows + 1, dtype=np.int64)
    for_rows(partial(kernels.count_nonzero, values, counts[1:]), n_rows, n_threads)
    indptr = np.cumsum(counts)
    if n_columns == 0 or indptr[-1] > _SPARSE * values.size:
        return values.copy()
    indices, data = np.empty(indptr[-1], dtype=np.int32), np.empty(indptr[-1], dtype=np.float32)
    for_rows(partial(kernels.take_nonzero, values, indptr, indices, data), n_rows, n_threads)
    return sp.csr_array((data, indices, indptr), shape=values.shape)
