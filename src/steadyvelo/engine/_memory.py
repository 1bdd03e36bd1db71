"""How much memory there is, and how many genes a block may hold."""

from __future__ import annotations

from pathlib import Path

import psutil

__all__ = ["available_memory", "genes_per_block"]

# more genes at a time do not make it faster: a cell's values already fill cache lines
_MOST_GENES = 256
# float32 smoothed spliced, unspliced and velocity, and what one of them is made from
_BYTES_PER_VALUE = 16
_DEFAULT_SHARE = 0.25


def available_memory() -> int:
    """Bytes this process may still take, by the machine and by its control group."""
    available = int(psutil.virtual_memory().available)
    limit = _read_bytes("memory.max", "memory/memory.limit_in_bytes")
    usage = _read_bytes("memory.current", "memory/memory.usage_in_bytes")
    if limit is not None and usage is not None:
        available = min(available, max(limit - usage, 0))
    return available


def genes_per_block(n_cells: int, max_memory: float | None = None) -> int:
    """Return how many genes a block of all cells may hold.

    Parameters
    ----------
    n_cells
        Number of cells.
    max_memory
        Bytes that blocks may take; None means a quarter of what is available.

    Raises
    ------
    MemoryError
        If not even one gene fits.
    """
    if max_memory is not None and not 0 < max_memory < float("inf"):
        msg = f"max_memory must be a positive number of bytes, or None; it is {max_memory}."
        raise ValueError(msg)
    budget = _DEFAULT_SHARE * available_memory() if max_memory is None else max_memory
    genes = int(budget // (_BYTES_PER_VALUE * max(n_cells, 1)))
    if genes < 1:
        msg = (
            f"a gene block of {n_cells:,} cells needs {_BYTES_PER_VALUE * n_cells / 1e6:.0f} MB "
            f"and {budget / 1e6:.0f} MB are allowed; raise max_memory or free memory."
        )
        raise MemoryError(msg)
    return min(genes, _MOST_GENES)


def _read_bytes(*names: str) -> int | None:
    """Return the first readable number among files of the control group, None if there is none."""
    for name in names:
        path = Path("/sys/fs/cgroup") / name
        if path.is_file():
            text = path.read_text().strip()
            return int(text) if text.isdigit() else None
    return None
