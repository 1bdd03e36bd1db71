"""Arrays that are used again for each block."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ._kernels._gather import clear_rows
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from steadyvelo.model._typing import Float32Array

__all__ = ["Scratch"]

# bytes that the processor loads at once; values across the border of two such lines need two loads
_CACHE_LINE = 64


class Scratch:
    """Named arrays that are allocated once, because new memory takes longer than the computation.

    An array from :meth:`array` is valid until the same name is requested again.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> scratch = engine.Scratch()
    >>> first = scratch.array("s", (4, 2), np.float32)
    >>> np.shares_memory(first, scratch.array("s", (3, 2), np.float32))
    True
    """

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array with arbitrary values."""
        size = prod(shape)
        kept = self._kept.get(name)
        if kept is None or kept.size < size or kept.dtype != dtype:
            kept = self._kept[name] = aligned(size, np.dtype(dtype))
        return kept[:size].reshape(shape)

    def zeros(self, name: str, shape: tuple[int, ...], n_threads: int) -> Float32Array:
        """Return a float32 array of zeros, by its name."""
        made = self.array(name, shape, np.float32)
        flat = made.reshape(shape[0], prod(shape[1:]))
        for_rows(partial(clear_rows, flat), shape[0], n_threads)
        return made

    def clear(self) -> None:
        """Free the memory of all arrays."""
        self._kept.clear()

    def kept(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return zeros at the first call, and later the array with its last values."""
        if name not in self._kept or self._kept[name].shape != shape:
            self._kept[name] = np.zeros(shape, dtype=dtype)
        return self._kept[name]


def aligned(size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an uninitialised array that is aligned to a cache line."""
    spare = _CACHE_LINE // dtype.itemsize
    array = np.empty(size + spare, dtype=dtype)
    start = -array.ctypes.data % _CACHE_LINE // dtype.itemsize
    return array[start : start + size]
