"""Write scVelo's numbers on input.h5ad: python make_numbers.py, in an environment with scVelo.

The versions are those of `benchmarks/requirements-scvelo.txt`.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import scvelo as scv

HERE = Path(__file__).parent
MODES = {
    "deterministic": {},
    "quantile": {"perc": [10, 90]},
    "all_cells": {"r2_adjusted": True},
    "offset": {"fit_offset": True},
    "stochastic": {"mode": "stochastic"},
}


def numbers(name: str, options: dict) -> dict[str, np.ndarray]:
    """Return scVelo's numbers under one set of options."""
    adata = ad.read_h5ad(HERE / "input.h5ad")
    scv.pp.moments(adata, n_pcs=None, n_neighbors=None)
    scv.tl.velocity(
        adata, use_highly_variable=False, filter_genes=False, **{"mode": "deterministic", **options}
    )
    scv.tl.velocity_graph(adata, n_jobs=1, show_progress_bar=False)
    scv.tl.velocity_embedding(adata, basis="plane")
    scv.tl.velocity_confidence(adata)
    transitions = scv.utils.get_transition_matrix(adata)
    found = {column: adata.var[f"velocity_{column}"] for column in ("gamma", "r2", "genes")}
    if "velocity_offset" in adata.var:
        found["offset"] = adata.var["velocity_offset"]
    found |= {
        "Ms": adata.layers["Ms"],
        "Mu": adata.layers["Mu"],
        "velocity": adata.layers["velocity"],
        "graph": (adata.uns["velocity_graph"] + adata.uns["velocity_graph_neg"]).toarray(),
        "self_transition": adata.obs["velocity_self_transition"],
        "transitions": transitions.toarray(),
        "arrows": adata.obsm["velocity_plane"],
        "length": adata.obs["velocity_length"],
        "confidence": adata.obs["velocity_confidence"],
    }
    if name == "deterministic":
        scv.tl.velocity_pseudotime(adata)
        found["end_points"] = adata.obs["end_points"]
        found["pseudotime"] = adata.obs["velocity_pseudotime"]
    kept = {key: np.asarray(value) for key, value in found.items()}
    if name not in {"deterministic", "offset"}:
        kept = {key: kept[key] for key in ("gamma", "r2", "genes", "offset") if key in kept}
    return {
        f"{name}/{key}": value.astype(np.float32) if value.dtype.kind == "f" else value
        for key, value in kept.items()
    }


def main() -> None:
    warnings.simplefilter("ignore")
    scv.settings.verbosity = 0
    made = {}
    for name, options in MODES.items():
        made |= numbers(name, options)
    np.savez_compressed(HERE / "numbers.npz", **made)


main()
