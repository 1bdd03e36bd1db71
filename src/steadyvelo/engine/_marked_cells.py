"""Cells that several rules mark in the fits of some genes, and sums over them.

Most rules mark few cells of a gene that have molecules. So for each row the marked genes are
listed, each with a code of the rules that mark it, and the sums of all slopes over neighbours are
computed in one pass over these lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo.model._weights import extreme_codes

from ._fit_rule import weights_under
from ._kernels import _marked_cells as kernels
from ._kernels._gather import place_rows
from ._order import CellOrder
from ._precision import zero_of_sums
from ._threads import for_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, IntArray

    from ._fit_rule import FitRule
    from ._scratch import Scratch
    from ._spreading import RankedSpreading

__all__ = ["MOST_RULES", "MarkedCells", "mark_rows"]

# a code has one bit for each rule
MOST_RULES = 5


def mark_rows(
    rules: list[FitRule],
    moments: Sequence[Float32Array],
    places: IntArray,
    codes: NDArray[np.uint8],
    genes: slice,
) -> None:
    """Write the codes of some genes, (rows, genes): bit k is set where rule k marks a cell.

    The spliced and unspliced `moments` have the shape (genes, rows), with rows in the order of the
    rules; `places` are the indices of all genes among those of the source.
    """
    spliced, unspliced = (values[genes] for values in moments)
    if all(rule.takes_extremes and rule.fit_cells.all() for rule in rules):
        found = extreme_codes(spliced, unspliced, [rule.quantiles for rule in rules])
    else:
        found = np.zeros(spliced.shape, dtype=np.uint8)
        for bit, marks in enumerate(weights_under(rules, spliced, unspliced, places[genes])):
            found |= marks.astype(bool).view(np.uint8) << np.uint8(bit)
    place_rows(found, CellOrder.identity(spliced.shape[1]).row_of_cell, codes[:, genes])


@dataclass(frozen=True, eq=False)
class MarkedCells:
    """The marked genes of every row.

    Attributes
    ----------
    codes
        Codes of the rules, shape (rows, genes).
    pointers
        First entry of each row, shape (rows + 1,). Entries are the marked genes with a value.
    places, terms
        For each entry the place of its code and gene, and the term of its sum.
    share
        Term of the sum for an offset, shape (rows,).
    in_rule
        Whether a rule marks the cells with a code, shape (rules, codes).
    """

    codes: NDArray[np.uint8]
    pointers: IntArray
    places: NDArray[np.int32]
    terms: Float32Array
    share: NDArray[np.float64]
    in_rule: BoolArray

    @classmethod
    def of(
        cls,
        codes: NDArray[np.uint8],
        values: Float32Array,
        share: NDArray[np.float64],
        n_rules: int,
        scratch: Scratch,
        n_threads: int,
    ) -> MarkedCells:
        """List the cells that have a code and a value; terms are share · value."""
        n_rows = len(codes)
        numbers, present = np.zeros(n_rows + 1, dtype=np.int64), np.zeros(2**n_rules, dtype=bool)
        count = partial(kernels.count_marked, codes, values, numbers[1:], present)
        for_rows(count, n_rows, n_threads)
        pointers = np.cumsum(numbers)
        slot = (np.cumsum(present) - 1).astype(np.int32)
        places = scratch.array("places", (int(pointers[-1]),), np.int32)
        terms = scratch.array("terms", (int(pointers[-1]),), np.float32)
        entries: tuple[Any, ...] = values, share, slot, pointers, places, terms
        for_rows(partial(kernels.list_marked, codes, *entries), n_rows, n_threads)
        used = np.flatnonzero(present)
        in_rule = (used >> np.arange(n_rules)[:, None]) & 1 > 0
        return cls(codes, pointers, places, terms, share, in_rule)

    def add_to(
        self,
        spreading: RankedSpreading,
        columns: IntArray,
        sums: list[tuple[Float32Array, Float32Array]],
        n_threads: int,
    ) -> None:
        """Add every row's sums for slopes and for offsets, to columns of two arrays per rule."""
        n_rows = len(self.share)
        outs, outs0 = (tuple(arrays) for arrays in zip(*sums, strict=True))
        pattern = spreading.indptr, spreading.indices, spreading.ranks, spreading.weights
        zero: Any = zero_of_sums(n_rows)
        entries = self.pointers, self.places, self.terms, self.in_rule
        slopes = partial(kernels.add_marked, *pattern, *entries, columns, outs, zero)
        for_rows(slopes, n_rows, n_threads)
        for bit, out in enumerate(outs0):
            if out.shape[1] > 0:
                of_rule: tuple[Any, ...] = self.codes, self.share, bit, columns, out, zero
                for_rows(partial(kernels.add_shares, *pattern, *of_rule), n_rows, n_threads)
