"""Columns of a matrix of cells × genes as a dense block, from any format."""

from __future__ import annotations

from functools import partial, singledispatch
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ._kernels import _gather as kernels
from ._order import CellOrder
from ._scratch import Scratch
from ._threads import for_rows

if TYPE_CHECKING:
    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray, Matrix

__all__ = ["block_of_columns", "readable"]


def readable(x: Matrix) -> Matrix:
    """Return a matrix in a format from which blocks can be made, without a copy if possible.

    CSR with sorted indices, CSC and dense arrays need no conversion; other formats become CSR.
    """
    if not sp.issparse(x):
        return np.asarray(x)
    if x.format == "csc":
        return sp.csc_array(x)
    csr = sp.csr_array(x)
    # a copy, because sort_indices would change the user's arrays
    return csr if csr.has_sorted_indices else csr.sorted_indices()


def block_of_columns(
    x: Matrix,
    columns: IntArray,
    *,
    scale: Float64Array | None = None,
    order: CellOrder | None = None,
    n_threads: int = 1,
    scratch: Scratch | None = None,
    name: str = "",
) -> Float32Array:
    """Return columns of a matrix from :func:`readable`, ascending, as float32 (cells, columns).

    Values of a cell are contiguous and multiplied by its `scale`; rows are in `order`. The block is
    stored in `scratch` under its name and overwritten by the next one.
    """
    n_cells = x.shape[0]
    held = Scratch() if scratch is None else scratch
    out = held.array(name, (n_cells, len(columns)), np.float32)
    if len(columns) > 0:
        scale = np.ones(n_cells) if scale is None else scale
        order = CellOrder.identity(n_cells) if order is None else order
        # one cursor per matrix: how far its rows have been read
        cursor = held.kept(f"cursor {id(x)}", (n_cells,), np.int64)
        _fill(x, _Block(columns, scale, order, cursor, out, n_threads))
    return out


class _Block(NamedTuple):
    """The array that a matrix is read into, and how it is read."""

    columns: IntArray
    scale: Float64Array
    order: CellOrder
    cursor: IntArray
    out: Float32Array
    n_threads: int


@singledispatch
def _fill(x: Any, _block: _Block) -> None:
    msg = f"cannot make blocks of a {type(x).__name__}."
    raise TypeError(msg)


@_fill.register(sp.csr_array)
def _(x: sp.csr_array[Any], block: _Block) -> None:
    columns, scale, order, cursor, out, n_threads = block
    place = np.full(x.shape[1], -1, dtype=np.int32)
    place[columns] = np.arange(len(columns))
    span = (int(columns[0]), int(columns[-1]) + 1)
    entries = x.indptr, x.indices, x.data, scale
    work = partial(kernels.gather_csr, *entries, place, span, cursor, order.row_of_cell, out)
    for_rows(work, len(out), n_threads)


@_fill.register(sp.csc_array)
def _(x: sp.csc_array[Any], block: _Block) -> None:
    columns, scale, order, _, out, n_threads = block
    out[:] = 0
    entries = x.indptr, x.indices, x.data, scale
    work = partial(kernels.gather_csc, *entries, columns, order.row_of_cell, out)
    for_rows(work, len(columns), n_threads, min_rows=1)


@_fill.register(np.ndarray)
def _(x: np.ndarray[Any, Any], block: _Block) -> None:
    columns, scale, order, _, out, n_threads = block
    work = partial(kernels.gather_dense, x, scale, columns, order.cell_of_row, out)
    for_rows(work, len(out), n_threads)
