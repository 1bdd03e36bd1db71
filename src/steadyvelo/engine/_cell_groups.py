"""Groups of similar cells, between which a large graph is a small one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

from ._kernels._cell_groups import add_between, group_neighborhoods, pair_groups
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float64Array

__all__ = ["CellGroups"]

# a dense matrix between more groups takes long to factorise
_MOST_GROUPS = 2_500


@dataclass(frozen=True, eq=False)
class CellGroups:
    """Groups of neighbouring cells.

    Attributes
    ----------
    group_of
        Number of each cell's group, shape (cells,), int32.
    n_groups
        Number of groups.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from steadyvelo import engine
    >>> two_pairs = sp.csr_array(np.kron(np.eye(2), np.ones((2, 2))))
    >>> groups = engine.CellGroups.along(two_pairs, np.arange(4))
    >>> groups.group_of
    array([0, 0, 1, 1], dtype=int32)
    >>> groups.sums(two_pairs, np.ones(4), np.ones(4))
    array([[4., 0.],
           [0., 4.]])
    """

    group_of: NDArray[np.int32]
    n_groups: int

    @classmethod
    def along(
        cls, neighbors: sp.csr_array[Any], order: NDArray[np.intp], most: int = _MOST_GROUPS
    ) -> Self:
        """Group cells with their neighbours, taken in an order, into at most about `most` groups.

        `neighbors` are cells × cells. Groups depend on the order alone, not on that of the rows.
        """
        pattern = sp.csr_array(neighbors + neighbors.T)
        group_of = np.empty(len(order), dtype=np.int32)
        n = group_neighborhoods(pattern.indptr, pattern.indices, order, group_of)
        while n > most:
            member = sp.csr_array((np.ones(len(order)), (group_of, np.arange(len(order)))))
            between = member @ pattern @ member.T
            between = sp.csr_array(between - sp.diags_array(between.diagonal()))
            between.sort_indices()
            pair_of = np.empty(n, dtype=np.int32)
            n_pairs = pair_groups(between.indptr, between.indices, between.data, pair_of)
            if n_pairs == n:
                break
            group_of, n = pair_of[group_of], n_pairs
        return cls(group_of, n)

    def shares(self, weights: Float64Array) -> Float64Array:
        """Return the share of each cell in the sum of its group, of weights that are not negative.

        In a group without any weight, all cells have the same share.
        """
        positive = np.maximum(weights, np.finfo(float).tiny)
        within = np.bincount(self.group_of, weights=positive, minlength=self.n_groups)
        return np.asarray(positive / within[self.group_of])

    def sums(
        self,
        matrix: sp.csr_array[Any] | sp.csr_matrix[Any],
        rows: Float64Array,
        columns: Float64Array,
        n_threads: int = 1,
    ) -> Float64Array:
        """Return Σ r_i a_ij c_j over the cells i of one group and j of another, groups × groups."""
        cells = np.argsort(self.group_of, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.group_of))])
        out = np.zeros((self.n_groups, self.n_groups))
        entries = matrix.indptr, matrix.indices, matrix.data
        work = partial(add_between, entries, self.group_of, (cells, starts), rows, columns, out)
        for_rows(work, self.n_groups, n_threads, min_rows=1)
        return out
