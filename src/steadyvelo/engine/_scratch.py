"""Arrays that are used again for every block."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["Scratch"]

# bytes the processor loads at once: values that lie across two such lines cost two loads
_CACHE_LINE = 64


class Scratch:
    """Arrays by name that are made once: fresh memory costs more than what is done in it.

    What :meth:`array` returned holds until the same name is asked for again.
    """

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array whose values are whatever was left in it."""
        size = prod(shape)
        kept = self._kept.get(name)
        if kept is None or kept.size < size or kept.dtype != dtype:
            kept = self._kept[name] = _aligned(size, np.dtype(dtype))
        return kept[:size].reshape(shape)

    def kept(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return zeros when the array is new, and later what was left in it."""
        if name not in self._kept or self._kept[name].shape != shape:
            self._kept[name] = np.zeros(shape, dtype=dtype)
        return self._kept[name]


def _aligned(size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array without values that begins with a cache line."""
    spare = _CACHE_LINE // dtype.itemsize
    array = np.empty(size + spare, dtype=dtype)
    start = -array.ctypes.data % _CACHE_LINE // dtype.itemsize
    return array[start : start + size]
