"""Counts, neighbours and an embedding that several benchmarks give to all packages."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np

import steadyvelo as sv


def draws(options, tissue: int) -> list[np.random.Generator]:
    """Return two generators for a tissue: of its counts, and of all else."""
    children = np.random.SeedSequence([options.seed, tissue]).spawn(2)
    return [np.random.default_rng(child) for child in children]


def simulated(options, tissue: int):
    """Return one tissue: cells on a separate tree, with separate programs of genes."""
    n_cells = options.cells // options.tissues
    adata = sv.datasets.simulate(
        n_cells=n_cells,
        n_genes=options.genes,
        n_branches=options.branches or max(2, n_cells // 15_000),
        depth=options.depth,
        truth=False,
        rng=draws(options, tissue)[0],
    )
    # X is the spliced layer again: it need not be in the file twice
    del adata.X
    return adata


def prepare(options, path: Path) -> None:
    """Write counts, sizes, components, neighbours and an embedding, the same for both."""
    if options.pancreas is not None:
        adata = sv.io.read_h5ad(options.pancreas)
        sv.pp.size_factors(adata, spliced_size="nCount_spliced", unspliced_size="nCount_unspliced")
        adata.obs["n_counts_spliced"] = adata.obs["nCount_spliced"]
        adata.obs["n_counts_unspliced"] = adata.obs["nCount_unspliced"]
        sv.pp.filter_genes(adata, min_shared_counts=20, subset=True)
    else:
        adata = ad.concat([simulated(options, tissue) for tissue in range(options.tissues)])
        adata.obs_names_make_unique()
        sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=30, n_pcs=30)
    if "X_umap" not in adata.obsm:
        adata.obsm["X_umap"] = adata.obsm["X_pca"][:, :2].astype(np.float64)
    # files of pandas 3 cannot be read by scVelo's environment
    clusters = adata.obs["clusters"].astype(str).to_numpy(dtype=object)
    adata.obs = adata.obs[["n_counts_spliced", "n_counts_unspliced"]].assign(clusters=clusters)
    adata.var = adata.var[[]]
    adata.uns = {"neighbors": adata.uns["neighbors"]}
    adata.write_h5ad(path)


def add_data_options(parser) -> None:
    """Which counts, and where scVelo is."""
    parser.add_argument("--cells", type=int, default=30_000)
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--depth", type=float, default=0.3)
    parser.add_argument(
        "--branches",
        type=int,
        help="of a simulated tree; one for 15,000 cells if not given, at least 2",
    )
    parser.add_argument(
        "--tissues",
        type=int,
        default=1,
        help="trees that share no cells; with one for 30,000 cells, as in an atlas, larger data "
        "have as many edges a cell as small data",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pancreas", help="use this file instead of simulated counts")
    parser.add_argument("--input", type=Path, help="keep the prepared counts here, for later runs")
    parser.add_argument("--scvelo-python", default=".venv-scvelo/bin/python")
