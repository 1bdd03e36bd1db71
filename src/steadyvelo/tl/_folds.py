"""Folds of genes and cells for cross-fitting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo._adata._draws import Names, hash_names
from steadyvelo._adata._neighbor_graph import external, neighbor_params, search_options
from steadyvelo._adata._provenance import hash_values
from steadyvelo.engine import RankedNeighbors, Repeat, SmoothingOperator
from steadyvelo.pp._neighbors import component_genes

from ._fold_neighbors import Graphs, fold_neighbors, neighbors_within
from ._kept import now_kept

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit_params import ErrorChoice, FitOptions
    from steadyvelo._adata._inputs import Inputs
    from steadyvelo.engine import CellOrder

__all__ = ["Graphs", "folds_hash", "make_repeat"]


def folds_hash(adata: AnnData, gene_clusters: str | None) -> str:
    """Return a short hash of the columns from which folds of genes are made."""
    columns = [component_genes(adata)]
    if gene_clusters is not None:
        columns.append(pd.factorize(adata.var[gene_clusters])[0])
    return hash_values(*columns)


def make_repeat(
    inputs: Inputs,
    choice: ErrorChoice,
    number: int,
    options: FitOptions,
    order: CellOrder,
    wanted: Graphs,
    n_threads: int,
    within: NDArray[np.intp] | None = None,
) -> Repeat:
    """Divide genes and cells into two folds, and find the neighbours for each fold of genes.

    The rows of the graphs are in an order. With `within`, the number of each cell's group, shape
    (cells,), the neighbours of a cell are in its group.
    """
    adata, seed = inputs.adata, choice.rng
    cell_fold = Names(inputs.cell_hashes, seed).halves(f"cells of repeat {number}")
    # graphs within groups are for one call
    kept = now_kept() if within is None else None
    graphs, made_from = {}, ()
    if kept is not None:
        graphs, made_from = kept.graphs, _made_from(inputs, choice, number, options, order)
    if external(neighbor_params(adata, options.neighbors_key)):
        # neighbours that were not found from these counts are used for all genes
        name = "all", *made_from[1:]
        if name not in graphs and within is not None:
            found = neighbors_within(inputs, options, within, seed, n_threads)
            graphs[name] = (found.reordered(order),) * 2
        elif name not in graphs:
            stored = inputs.connectivities(options.neighbors_key)
            graph = SmoothingOperator.from_connectivities(stored, inputs.cells).without_self()
            graphs[name] = (RankedNeighbors.equal(graph).reordered(order),) * 2
        return Repeat(np.zeros(adata.n_vars, dtype=np.int8), cell_fold, graphs[name])
    gene_fold = _gene_halves(inputs, choice, number)
    names = {purpose: (purpose, *made_from) for purpose in Graphs._fields}
    missing = Graphs(
        *(needed and names[purpose] not in graphs for purpose, needed in wanted._asdict().items())
    )
    if any(missing):
        of_folds = [
            fold_neighbors(inputs, gene_fold != fold, options, seed, missing, n_threads, within)
            for fold in (0, 1)
        ]
        for purpose in Graphs._fields:
            if getattr(missing, purpose):
                first, second = (getattr(of_fold, purpose).reordered(order) for of_fold in of_folds)
                graphs[names[purpose]] = first, second
    of = {p: graphs[names[p]] if needed else None for p, needed in wanted._asdict().items()}
    return Repeat(gene_fold, cell_fold, of["ratios"], of["directions"])


def _made_from(
    inputs: Inputs, choice: ErrorChoice, number: int, options: FitOptions, order: CellOrder
) -> tuple[object, ...]:
    """Return everything from which a repeat is made, for comparison."""
    params = neighbor_params(inputs.adata, options.neighbors_key)
    if external(params):
        found_by = inputs.neighbors_hash(options.neighbors_key)
    else:
        numbers = f"{params.get('n_neighbors')} {params.get('n_pcs')}"
        found_by = " ".join([numbers, *map(str, search_options(params).values())])
    return (
        number,
        choice.rng,
        found_by,
        inputs.cells_hash,
        folds_hash(inputs.adata, choice.gene_clusters),
        *(x.tobytes() for x in (inputs.gene_hashes, inputs.cells)),
        inputs.checksums(options.spliced).tobytes(),
        order.cell_of_row.tobytes(),
    )


def _gene_halves(inputs: Inputs, choice: ErrorChoice, number: int) -> NDArray[np.int8]:
    """Divide the genes into two folds; genes of one cluster are in the same fold."""
    purpose = f"genes of repeat {number}"
    fold = Names(inputs.gene_hashes, choice.rng).halves(purpose)
    if choice.gene_clusters is None:
        return fold
    column = inputs.adata.var[choice.gene_clusters]
    # a gene without a cluster counts as a cluster of one gene
    codes, names = pd.factorize(column)
    if len(names) + int((codes < 0).sum()) < 2:
        msg = (
            f"var[{choice.gene_clusters!r}] has one cluster, but folds of genes need at least two; "
            "name another column, or use gene_clusters=None."
        )
        raise ValueError(msg)
    clusters = Names(hash_names(names), choice.rng)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.lexsort([clusters.numbers("order"), -sizes])
    of_cluster = clusters.halves(purpose)
    # two clusters of similar size go to different folds, so that folds have similar sizes
    first, second = order[: len(order) // 2 * 2].reshape(-1, 2).T
    of_cluster[second] = 1 - of_cluster[first]
    return np.where(codes < 0, fold, of_cluster[codes]).astype(np.int8)
