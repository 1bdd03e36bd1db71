"""How all kernels are compiled."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

__all__ = ["Array", "kernel", "reordering_kernel"]

Array = np.ndarray[Any, Any]
Kernel = TypeVar("Kernel", bound=Callable[..., object])


def kernel(function: Kernel) -> Kernel:
    """Compile a serial kernel that releases the interpreter lock and is cached on disk."""
    return _compiled(function)


def reordering_kernel(function: Kernel) -> Kernel:
    """Compile a kernel whose sums may be reordered and whose multiply-adds may be fused.

    No other option of fast math is used, so a NaN remains a NaN.
    """
    return _compiled(function, fastmath={"reassoc", "contract", "nsz"})


def _compiled(function: Kernel, **options: Any) -> Kernel:
    try:
        compiled = numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:
        # numba can write neither to the package's folder nor to the user's, as in some containers
        folder = Path(tempfile.gettempdir()) / f"steadyvelo-kernels-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        config: Any = numba.config
        config.CACHE_DIR = str(folder)
        compiled = numba.njit(nogil=True, cache=True, **options)(function)
    return cast("Kernel", compiled)
