"""Write velocyto's numbers on scVelo's moments: python make_numbers.py, with velocyto installed.

velocyto 0.17.17 runs on Python 3.9 with numpy 1.23, scipy 1.10, numba 0.57 and Cython 0.29, which
must be there before it is built: pip install --no-build-isolation velocyto==0.17.17.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import velocyto

HERE = Path(__file__).parent
RULES = ("maxmin", "maxmin_diag", "sum", "prod", "maxmin_weighted", "maxmin_double")


def main() -> None:
    with np.load(HERE.parent / "scvelo" / "numbers.npz") as table:
        spliced, unspliced = (
            table[f"deterministic/{kind}"].T.astype(np.float64) for kind in ("Ms", "Mu")
        )
    # no loom file: the fit asks for smoothed values only
    loom = object.__new__(velocyto.VelocytoLoom)
    loom.S = loom.Sx = loom.Sx_sz = spliced
    loom.U = loom.Ux = loom.Ux_sz = unspliced
    made = {}
    for rule in RULES:
        loom.fit_gammas(weights=rule, fit_offset=False)
        made[f"{rule}/gamma"], made[f"{rule}/r2"] = loom.gammas, loom.R2
        loom.fit_gammas(weights=rule, fit_offset=True)
        made[f"{rule}/offset_gamma"], made[f"{rule}/offset"] = loom.gammas, loom.q
        made[f"{rule}/offset_r2"] = loom.R2
    np.savez_compressed(HERE / "numbers.npz", **made)


main()
