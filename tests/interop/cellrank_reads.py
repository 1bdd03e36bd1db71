"""Run in CellRank's environment: its kernels and GPCCA on our export.

python cellrank_reads.py EXPORT.h5ad OUTPUT.npz
"""

from __future__ import annotations

import sys
import warnings

import anndata as ad
import cellrank as cr
import numpy as np

warnings.simplefilter("ignore")


def fates(kernel, adata, prefix):
    """Fates of cells towards the last cells of both branches, by a kernel's transitions."""
    estimator = cr.estimators.GPCCA(kernel)
    # the dense method needs no PETSc
    estimator.compute_schur(n_components=12, method="brandts")
    estimator.compute_macrostates(n_states=3, cluster_key="clusters")
    names = {"tip 1": [], "tip 2": []}
    for name in names:
        names[name] = list(adata.obs_names[adata.obs["clusters"] == name])
    estimator.set_terminal_states(names)
    estimator.compute_fate_probabilities(
        solver="direct", use_petsc=False, show_progress_bar=False, n_jobs=1
    )
    drivers = estimator.compute_lineage_drivers(lineages="tip 1", method="fisher")
    return {
        f"{prefix}_fates": np.asarray(estimator.fate_probabilities[["tip 1", "tip 2"]].X),
        f"{prefix}_macrostates": list(estimator.macrostates.cat.categories),
        f"{prefix}_drivers": drivers.index[:5].to_numpy(dtype=str),
    }


def main(source: str, target: str) -> None:
    adata = ad.read_h5ad(source)
    precomputed = cr.kernels.PrecomputedKernel("velocity_transitions", adata)
    velocity = cr.kernels.VelocityKernel(adata)
    velocity.compute_transition_matrix(show_progress_bar=False)
    near = cr.kernels.ConnectivityKernel(adata).compute_transition_matrix()
    combined = 0.8 * velocity + 0.2 * near
    combined.compute_transition_matrix()
    pseudotime = cr.kernels.PseudotimeKernel(adata, time_key="velocity_pseudotime")
    pseudotime.compute_transition_matrix(show_progress_bar=False)
    np.savez(
        target,
        precomputed=precomputed.transition_matrix.toarray(),
        velocity=velocity.transition_matrix.toarray(),
        pseudotime=pseudotime.transition_matrix.toarray(),
        clusters=adata.obs["clusters"].astype(str).to_numpy(dtype=str),
        **fates(combined, adata, "velocity"),
        **fates(precomputed, adata, "precomputed"),
    )


main(*sys.argv[1:])
