"""How all kernels are compiled."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
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
        config: Any = numba.config
        config.CACHE_DIR = str(_private_folder())
        compiled = numba.njit(nogil=True, cache=True, **options)(function)
    return cast("Kernel", compiled)


def _private_folder() -> Path:
    """Return a temporary folder for compiled kernels into which no other user can write.

    Kernels are stored as pickles, which can do anything when they are loaded. If another user has
    made the folder of the usual name, a new one is made that lives as long as this process.
    """
    folder = Path(tempfile.gettempdir()) / f"steadyvelo-kernels-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if own and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return folder
    made = Path(tempfile.mkdtemp(prefix="steadyvelo-kernels-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
