"""Run in CellRank's environment: its kernels on our result.

python cellrank_reads.py RESULT.h5ad OUTPUT.npz
"""

from __future__ import annotations

import sys
import warnings

import anndata as ad
import cellrank as cr
import numpy as np

warnings.simplefilter("ignore")


def main(source: str, target: str) -> None:
    adata = ad.read_h5ad(source)
    precomputed = cr.kernels.PrecomputedKernel("velocity_transitions", adata)
    velocity = cr.kernels.VelocityKernel(adata)
    velocity.compute_transition_matrix(show_progress_bar=False)
    np.savez(
        target,
        precomputed=precomputed.transition_matrix.toarray(),
        velocity=velocity.transition_matrix.toarray(),
    )


main(*sys.argv[1:])
