"""The precision of sums.

Sums of few cells are in float64, so that results do not depend on the order of cells and genes. For
more cells, neighbours are found by an approximate search, which depends on this order much more
than rounding does, and sums in float32 take half the time.
"""

from __future__ import annotations

import numpy as np

__all__ = ["MOST_PRECISE", "zero_of_sums"]

# up to this number of cells, sums are in float64 and searches for neighbours of folds are exact
MOST_PRECISE = 5_000


def zero_of_sums(n_cells: int) -> np.float32 | np.float64:
    """Return 0 in the type in which kernels sum values of this number of cells."""
    return np.float64(0.0) if n_cells <= MOST_PRECISE else np.float32(0.0)
