"""The parts of `side_by_side.py` in the API of scVelo, for scVelo and for ports of it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import scanpy as sc
import scipy.sparse as sp
from _measure import Steps

if TYPE_CHECKING:
    from pathlib import Path

warnings.simplefilter("ignore")


class ScveloSteps:
    """Runs the parts with a package that has the functions of scVelo; `name` is for its files."""

    def __init__(self, package: Any, name: str, mode: str) -> None:
        self.package, self.name, self.mode = package, name, mode
        package.settings.verbosity = 0

    def steps(self, source: str, folder: Path) -> None:
        """Smoothing, fit, velocity and graph on given neighbours, then what is drawn from them."""
        scv = self.package
        adata = ad.read_h5ad(source)
        if adata.X is None:
            # the file holds the spliced counts once; scVelo wants them here, too
            adata.X = adata.layers["spliced"].copy()
        for layer in ("spliced", "unspliced"):
            adata.obs[f"initial_size_{layer}"] = adata.obs[f"n_counts_{layer}"]
        scv.pp.normalize_per_cell(adata, layers=["spliced", "unspliced"], use_initial_size=True)
        step = Steps()
        with step("smoothing"):
            scv.pp.moments(adata, n_neighbors=None)
        with step("fit and velocity"):
            scv.tl.velocity(adata, mode=self.mode, use_highly_variable=None)
        with step("graph"):
            scv.tl.velocity_graph(adata, show_progress_bar=False)
        with step("transitions"):
            scv.utils.get_transition_matrix(adata)
        with step("arrows"):
            scv.tl.velocity_embedding(adata, basis="umap")
        with step("confidence and length"):
            scv.tl.velocity_confidence(adata)
        step.write(folder / f"{self.name}.json")
        np.savez(
            folder / f"{self.name}.npz",
            gamma=adata.var["velocity_gamma"].to_numpy(),
            genes=adata.var["velocity_genes"].to_numpy(),
            arrows=adata.obsm["velocity_umap"],
            confidence=adata.obs["velocity_confidence"].to_numpy(),
            confidence_transition=adata.obs["velocity_confidence_transition"].to_numpy(),
            length=adata.obs["velocity_length"].to_numpy(),
        )
        graph = sp.csr_matrix(adata.uns["velocity_graph"] + adata.uns["velocity_graph_neg"])
        sp.save_npz(folder / f"{self.name}_graph.npz", graph, compressed=False)

    def neighbors(self, source: str, folder: Path) -> None:
        """Neighbours in the components that the file holds, which scVelo leaves to scanpy."""
        adata = ad.read_h5ad(source)
        step = Steps()
        with step("neighbors"):
            sc.pp.neighbors(adata, n_neighbors=30, n_pcs=30, use_rep="X_pca")
        step.write(folder / f"{self.name}.json")
        graph = sp.csr_matrix(adata.obsp["distances"])
        sp.save_npz(folder / f"{self.name}_graph.npz", graph)

    def run(self, source: str, folder: Path) -> None:
        """From a file of counts with an embedding to a file and a picture, as tutorials do it."""
        scv = self.package
        adata = ad.read_h5ad(source)
        scv.pp.filter_and_normalize(adata, min_shared_counts=20)
        sc.pp.pca(adata, n_comps=30)
        sc.pp.neighbors(adata, n_neighbors=30, n_pcs=30)
        scv.pp.moments(adata, n_neighbors=None)
        scv.tl.velocity(adata, mode=self.mode)
        scv.tl.velocity_graph(adata, show_progress_bar=False)
        scv.tl.velocity_embedding(adata, basis="umap")
        picture = str(folder / f"{self.name}_stream.png")
        scv.pl.velocity_embedding_stream(adata, basis="umap", show=False, save=picture)
        adata.write_h5ad(folder / f"{self.name}.h5ad")
