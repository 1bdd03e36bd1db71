"""Available memory, and the number of genes in a block."""

from __future__ import annotations

import ctypes
import sys

import psutil

from ._control_group import memory_left

__all__ = [
    "BYTES_PER_VALUE",
    "available_memory",
    "block_bytes",
    "check_dense_fits",
    "dense_bytes",
    "genes_per_block",
    "return_free_memory",
    "stores_dense",
]

# larger blocks are not faster, because sums over a cell's values are long enough; with few cells,
# most of the time would be spent on allocating memory
_MOST_GENES = 512
_MOST_GENES_OF_FEW, _FEW_CELLS = 256, 10_000
# float32 counts, smoothed spliced and smoothed unspliced abundances
BYTES_PER_VALUE = 12
# share of the available memory that blocks use by default, and an upper limit in bytes
_DEFAULT_SHARE = 0.25
_DEFAULT_MOST = 1.5e9
# for many cells, blocks may be as wide as these bytes for each cell allow, up to this number of
# genes: in narrow ones, most of the time is spent on the neighbours of cells and little on the
# values of genes
_BYTES_OF_A_CELL, _WIDE_ENOUGH = 2_400, 64
# bytes of dense layers that are stored if nobody asks for them
_MOST_DENSE = 1e9


def available_memory() -> int:
    """Bytes that this process may still allocate: by the machine, control groups and ulimit -v.

    Examples
    --------
    >>> import psutil
    >>> from steadyvelo.engine import available_memory
    >>> 0 < available_memory() <= psutil.virtual_memory().total
    True
    """
    left = [int(psutil.virtual_memory().available), memory_left(), _address_space_left()]
    return min(number for number in left if number is not None)


def _address_space_left() -> int | None:
    """Return the bytes that `ulimit -v` still allows; None for no limit."""
    process = psutil.Process()
    if not hasattr(process, "rlimit"):  # only Linux
        return None
    limit = process.rlimit(psutil.RLIMIT_AS)[0]
    return None if limit < 0 else max(limit - process.memory_info().vms, 0)


def genes_per_block(
    n_cells: int, max_memory: float | None = None, bytes_per_value: int = BYTES_PER_VALUE
) -> int:
    """Return how many genes fit into a block of all cells; an error if not even one fits.

    Blocks use up to `max_memory` bytes, by default a quarter of the available memory, at most the
    larger of 1.5 GB and 2,400 bytes for each cell (not for more than 64 genes). A value needs
    `bytes_per_value`, with all arrays that are made of it.

    Examples
    --------
    >>> from steadyvelo.engine import genes_per_block
    >>> genes_per_block(1_000_000, max_memory=1.2e9)
    100
    """
    bytes_per_gene = bytes_per_value * max(n_cells, 1)
    budget = block_bytes(n_cells, max_memory, bytes_per_value)
    genes = int(budget // bytes_per_gene)
    if genes < 1:
        msg = (
            f"one gene of {n_cells:,} cells needs {bytes_per_gene / 1e6:.3g} MB of memory, "
            f"and {budget / 1e6:.3g} MB are allowed; raise max_memory or free memory."
        )
        raise MemoryError(msg)
    return min(genes, _MOST_GENES if n_cells > _FEW_CELLS else _MOST_GENES_OF_FEW)


def block_bytes(
    n_cells: int, max_memory: float | None = None, bytes_per_value: int = BYTES_PER_VALUE
) -> float:
    """Return how many bytes blocks of genes may use; see :func:`genes_per_block`.

    Examples
    --------
    >>> from steadyvelo.engine import block_bytes
    >>> block_bytes(1_000_000, max_memory=1.2e9)
    1200000000.0
    """
    _check(max_memory)
    if max_memory is not None:
        return max_memory
    of_many = min(_BYTES_OF_A_CELL, _WIDE_ENOUGH * bytes_per_value) * n_cells
    return min(_DEFAULT_SHARE * available_memory(), max(_DEFAULT_MOST, of_many))


def dense_bytes(n_layers: int, shape: tuple[int, int]) -> int:
    """Return the bytes of dense float32 layers.

    Examples
    --------
    >>> from steadyvelo.engine import dense_bytes
    >>> dense_bytes(2, (1_000, 500))
    4000000
    """
    return n_layers * shape[0] * shape[1] * 4


def stores_dense(
    n_layers: int, shape: tuple[int, int], max_memory: float | None, *, dense: bool | None
) -> bool:
    """Tell whether dense float32 layers are stored; None means if they are small enough.

    That is if they need at most 1 GB together, and not more memory than is allowed or available.

    Examples
    --------
    >>> from steadyvelo.engine import stores_dense
    >>> stores_dense(3, (30_000, 2_000), None, dense=None)
    True
    >>> stores_dense(3, (100_000, 2_000), None, dense=None)
    False
    """
    if dense is not None:
        return dense
    allowed = available_memory() if max_memory is None else max_memory
    return dense_bytes(n_layers, shape) <= min(_MOST_DENSE, allowed)


def check_dense_fits(
    n_layers: int, shape: tuple[int, int], max_memory: float | None, *, remedy: str
) -> None:
    """Refuse dense float32 layers that need more memory than is allowed or available.

    Examples
    --------
    >>> from steadyvelo.engine import check_dense_fits
    >>> check_dense_fits(2, (50_000, 2_500), max_memory=1e9, remedy="use fewer genes")
    >>> check_dense_fits(2, (50_000, 3_000), max_memory=1e9, remedy="use fewer genes")
    Traceback (most recent call last):
        ...
    MemoryError: 2 dense layers of 50,000 cells × 3,000 genes need 1.20 GB and 1.00 GB are ...
    """
    _check(max_memory)
    needed = dense_bytes(n_layers, shape)
    allowed = available_memory() if max_memory is None else max_memory
    if needed > allowed:
        msg = (
            f"{n_layers} dense layers of {shape[0]:,} cells × {shape[1]:,} genes need "
            f"{needed / 1e9:.2f} GB and {allowed / 1e9:.2f} GB are "
            f"{'available' if max_memory is None else 'allowed by max_memory'}; {remedy}."
        )
        raise MemoryError(msg)


def return_free_memory() -> None:
    """Return freed memory to the system; glibc would keep what small arrays used for later ones.

    Examples
    --------
    >>> from steadyvelo import engine
    >>> engine.return_free_memory()
    """
    if sys.platform == "linux":
        # other C libraries have no such function
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _check(max_memory: float | None) -> None:
    if max_memory is not None and not 0 < max_memory < float("inf"):
        msg = f"max_memory must be a positive number of bytes; it is {max_memory!r}."
        raise ValueError(msg)
