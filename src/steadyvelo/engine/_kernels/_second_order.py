"""Products of counts whose means over neighbours are second moments."""

from __future__ import annotations

import numpy as np

from steadyvelo.model._jit import Array, kernel


@kernel
def second_order_terms(
    spliced: Array,
    unspliced: Array,
    linear: Array,
    columns: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Write s(2s − d) of some columns of some rows, and to the right of all these u(2s + d).

    `linear` has d of every row.
    """
    n = columns.shape[0]
    for i in range(start, stop):
        s, u, row, d = spliced[i], unspliced[i], out[i], linear[i]
        for g in range(n):
            column = np.uint64(columns[g])
            x, y = np.float64(s[column]), np.float64(u[column])
            row[g] = np.float32(x * (2.0 * x - d))
            row[n + g] = np.float32(y * (2.0 * x + d))
