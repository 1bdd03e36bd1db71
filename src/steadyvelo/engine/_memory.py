"""How much memory there is, and how many genes a block may hold."""

from __future__ import annotations

import psutil

from ._control_group import memory_left

__all__ = [
    "BYTES_PER_VALUE",
    "available_memory",
    "check_dense_fits",
    "dense_bytes",
    "genes_per_block",
]

# more genes at a time do not make it faster: sums over a cell's values are long enough; with few
# cells, taking fresh memory would be most of the work
_MOST_GENES = 512
_MOST_GENES_OF_FEW, _FEW_CELLS = 128, 10_000
# float32: counts, smoothed spliced and unspliced
BYTES_PER_VALUE = 12
# of what is available, where nothing else is asked for, and no more bytes than this
_DEFAULT_SHARE = 0.25
_DEFAULT_MOST = 1.5e9


def available_memory() -> int:
    """Bytes this process may still take, by the machine and by its control groups."""
    available = int(psutil.virtual_memory().available)
    left = memory_left()
    return available if left is None else min(available, left)


def genes_per_block(
    n_cells: int, max_memory: float | None = None, bytes_per_value: int = BYTES_PER_VALUE
) -> int:
    """Return how many genes a block of all cells may hold; refused if not even one fits.

    Blocks may take `max_memory` bytes, by default a quarter of what is available, at most 1.5 GB; a
    value takes `bytes_per_value`, with everything that is made of it.
    """
    _check(max_memory)
    default = min(_DEFAULT_SHARE * available_memory(), _DEFAULT_MOST)
    budget = default if max_memory is None else max_memory
    bytes_per_gene = bytes_per_value * max(n_cells, 1)
    genes = int(budget // bytes_per_gene)
    if genes < 1:
        msg = (
            f"a gene block of {n_cells:,} cells needs {bytes_per_gene / 1e6:.0f} MB "
            f"and {budget / 1e6:.0f} MB are allowed; raise max_memory or free memory."
        )
        raise MemoryError(msg)
    return min(genes, _MOST_GENES if n_cells > _FEW_CELLS else _MOST_GENES_OF_FEW)


def dense_bytes(n_layers: int, shape: tuple[int, int]) -> int:
    """Return the bytes of dense float32 layers."""
    return n_layers * shape[0] * shape[1] * 4


def check_dense_fits(
    n_layers: int, shape: tuple[int, int], max_memory: float | None, *, remedy: str
) -> None:
    """Refuse dense float32 layers larger than the memory allowed or available, with the remedy."""
    _check(max_memory)
    needed = dense_bytes(n_layers, shape)
    allowed = available_memory() if max_memory is None else max_memory
    if needed > allowed:
        msg = (
            f"{n_layers} dense layers of {shape[0]:,} cells × {shape[1]:,} genes take "
            f"{needed / 1e9:.2f} GB and {allowed / 1e9:.2f} GB are "
            f"{'available' if max_memory is None else 'allowed by max_memory'}; {remedy}."
        )
        raise MemoryError(msg)


def _check(max_memory: float | None) -> None:
    if max_memory is not None and not 0 < max_memory < float("inf"):
        msg = f"max_memory must be a positive number of bytes, or None; it is {max_memory}."
        raise ValueError(msg)
