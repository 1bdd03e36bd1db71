"""This package's side of `side_by_side.py`.

python steadyvelo_side.py {steps,neighbors,kernel} INPUT.h5ad FOLDER MODE
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anndata as ad
import numba
import numpy as np
import scipy.sparse as sp
from _measure import Steps

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo.engine import (
    EdgeCorrelation,
    count_threads,
    genes_per_block,
    recursive_neighbors,
)

MOST_CELLS_WITH_LAYERS = 100_000


def compile_kernels(adata, mode: str) -> float:
    """Run everything once on a few cells, with the types of the data; return seconds."""
    started = time.perf_counter()
    few = adata[: min(200, adata.n_obs)].copy()
    sv.pp.neighbors(few, n_neighbors=10, n_pcs=10)
    sv.tl.velocity(few, mode=mode, dense=False, min_r2=-np.inf, min_gamma=-np.inf)
    sv.tl.velocity_graph(few)
    sv.tl.transition_matrix(few)
    sv.tl.velocity_embedding(few, basis="umap")
    sv.tl.velocity_confidence(few)
    sv.tl.velocity(few, mode=mode, min_r2=-np.inf, min_gamma=-np.inf)
    sv.tl.velocity_graph(few)
    sv.tl.velocity_confidence(few)
    return time.perf_counter() - started


def steps(source: str, folder: Path, mode: str) -> None:
    """The two calls that smooth, fit and make the graph, then what is drawn from them."""
    adata = ad.read_h5ad(source)
    sv.pp.size_factors(adata, spliced_size="n_counts_spliced", unspliced_size="n_counts_unspliced")
    compiled = compile_kernels(adata, mode)
    step = Steps()
    with step("velocity"):
        sv.tl.velocity(adata, mode=mode, dense=False)
    with step("graph"):
        sv.tl.velocity_graph(adata)
    with step("confidence and length, no layers"):
        sv.tl.velocity_confidence(adata)
    # what is drawn follows the default call, which writes the layers that scVelo has as well
    if adata.n_obs <= MOST_CELLS_WITH_LAYERS:
        sv.tl.velocity(adata, mode=mode)
        sv.tl.velocity_graph(adata)
    with step("transitions"):
        sv.tl.transition_matrix(adata)
    with step("arrows"):
        sv.tl.velocity_embedding(adata, basis="umap")
    with step("confidence and length"):
        sv.tl.velocity_confidence(adata)
    step.write(folder / "steadyvelo.json", compiled=compiled)
    np.savez(
        folder / "steadyvelo.npz",
        gamma=adata.var["velocity_gamma"].to_numpy(),
        genes=adata.var["velocity_genes"].to_numpy(),
        arrows=adata.obsm["velocity_umap"],
        confidence=adata.obs["velocity_confidence"].to_numpy(),
        confidence_transition=adata.obs["velocity_confidence_transition"].to_numpy(),
        length=adata.obs["velocity_length"].to_numpy(),
    )
    graph = sp.csr_matrix(adata.obsp["velocity_graph"] + adata.obsp["velocity_graph_neg"])
    sp.save_npz(folder / "steadyvelo_graph.npz", graph, compressed=False)


def neighbors(source: str, folder: Path, _mode: str) -> None:
    """Neighbours in the components that the file holds."""
    adata = ad.read_h5ad(source)
    step = Steps()
    with step("neighbors"):
        sv.pp.neighbors(adata, n_neighbors=30, n_pcs=30)
    step.write(folder / "steadyvelo.json")
    sp.save_npz(folder / "steadyvelo_graph.npz", sp.csr_matrix(adata.obsp["distances"]))


@numba.njit(nogil=True, fastmath={"reassoc", "contract", "nsz"})
def multiply_adds(values, factor, term, rounds):
    """Sixteen multiply-adds for each value that is loaded; returns nothing but changes values."""
    for _ in range(rounds):
        for i in range(len(values)):
            x = values[i]
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            x = x * factor + term
            values[i] = x


def multiply_add_rate(n_threads: int) -> float:
    """Float32 multiply-adds per second of a loop whose values stay in the first cache."""
    rounds, n = 200_000, 1024
    arrays = [np.ones(n, dtype=np.float32) for _ in range(n_threads)]
    factor, term = np.float32(0.5), np.float32(0.5)
    multiply_adds(arrays[0], factor, term, 1)
    rates = []
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in range(3):
            started = time.perf_counter()
            list(pool.map(lambda x: multiply_adds(x, factor, term, rounds), arrays))
            rates.append(16 * n * rounds * n_threads / (time.perf_counter() - started))
    return float(np.median(rates))


def kernel(source: str, folder: Path, _mode: str) -> None:
    """The edge kernel alone, on blocks that were made before, beside a loop of multiply-adds."""
    adata = ad.read_h5ad(source)
    sv.pp.size_factors(adata, spliced_size="n_counts_spliced", unspliced_size="n_counts_unspliced")
    sv.tl.velocity(adata, dense=False)
    threads = count_threads()
    fit = Fit.read(adata, "velocity")
    genes, direct = fit.graph_genes, fit.inputs.direct_neighbors(None)
    velocities = fit.velocities(genes, direct)
    order = velocities.order
    indptr, indices = recursive_neighbors(*order.relabel(*direct), n_steps=2, n_threads=2)
    blocks = [
        (x.copy(), v.copy()) for x, v in velocities.blocks(genes_per_block(adata.n_obs), threads)
    ]
    step, rates = Steps(), []
    for _ in range(3):
        edges = EdgeCorrelation(indptr, indices, genes_per_block=blocks[0][0].shape[1])
        edges.add(*blocks[0], threads)
        with step("edges"):
            for x, v in blocks:
                edges.add(x, v, threads)
        rates.append(2 * len(indices) * len(genes) / step.seconds["edges"])
    step.write(
        folder / "steadyvelo.json",
        edges_per_cell=len(indices) / adata.n_obs,
        edge_rate=float(np.median(rates)),
        loop_rate=multiply_add_rate(threads),
    )


{"steps": steps, "neighbors": neighbors, "kernel": kernel}[sys.argv[1]](
    sys.argv[2], Path(sys.argv[3]), sys.argv[4]
)
