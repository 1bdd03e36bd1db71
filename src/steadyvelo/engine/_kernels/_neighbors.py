"""Weights of the nearest neighbours."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel

_BISECTIONS = 64
# σ is at least this share of a mean distance, so that no weight underflows
_LEAST_WIDTH = 1e-3


@kernel
def fuzzy_weights(
    distances: Array, aim: float, mean_distance: float, out: Array, start: int, stop: int
) -> None:
    """Write exp(−max(0, d − ρ) / σ) of the neighbours in some rows; the first is the cell itself.

    ρ is the smallest distance above 0, and σ is such that the weights of a row add up to `aim`.
    """
    k = distances.shape[1]
    for i in range(start, stop):
        rho, mean = np.inf, 0.0
        for j in range(k):
            mean += distances[i, j] / k
            if j > 0 and distances[i, j] > 0:
                rho = min(rho, distances[i, j])
        if not np.isfinite(rho):
            rho = 0.0
        low, high, width = 0.0, np.inf, 1.0
        for _ in range(_BISECTIONS):
            total = 0.0
            for j in range(1, k):
                total += np.exp(-max(distances[i, j] - rho, 0.0) / width)
            if total > aim:
                high = width
            else:
                low = width
            width = 2 * width if np.isinf(high) else 0.5 * (low + high)
        width = max(width, _LEAST_WIDTH * (mean if rho > 0 else mean_distance))
        # the width is 0 if all cells have the same coordinates; distances beyond ρ are then 0, too
        if width == 0:
            width = 1.0
        for j in range(1, k):
            out[i, j] = np.exp(-max(distances[i, j] - rho, 0.0) / width)
