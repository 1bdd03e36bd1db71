"""The one way kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

__all__ = ["kernel", "reordering_kernel"]

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def kernel(function: Kernel) -> Kernel:
    """Compile a serial kernel that releases the interpreter lock and is cached on disk."""
    return cast("Kernel", numba.njit(nogil=True, cache=True)(function))


def reordering_kernel(function: Kernel) -> Kernel:
    """Compile a kernel whose sums may be reordered and whose multiply-adds may be fused.

    No other fast-math liberty is taken: a NaN stays a NaN.
    """
    options = {"reassoc", "contract", "nsz"}
    return cast("Kernel", numba.njit(nogil=True, cache=True, fastmath=options)(function))
