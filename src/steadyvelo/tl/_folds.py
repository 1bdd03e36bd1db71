"""Folds of genes and cells for cross-fitting, and the neighbours for each fold of genes."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo._adata._checks import is_integer
from steadyvelo._adata._draws import Names, hash_names
from steadyvelo._adata._neighbor_graph import external, neighbor_params
from steadyvelo._adata._provenance import hash_values
from steadyvelo.engine import (
    RankedNeighbors,
    Repeat,
    SmoothingOperator,
    weighted_column_sums,
)
from steadyvelo.pp._components import components, log_normalized
from steadyvelo.pp._nearest import nearest_neighbors
from steadyvelo.pp._neighbors import component_genes

from ._kept import once

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit_params import ErrorChoice, FitOptions
    from steadyvelo._adata._inputs import Inputs

__all__ = ["folds_hash", "make_repeat", "with_direction_graphs"]

# neighbours with falling weights for every neighbour of the graph
_RANKED = 2.0
# largest standard deviation of a gene's log-normalised expression
_MOST_DEVIATION = 0.3


def folds_hash(adata: AnnData, gene_clusters: str | None) -> str:
    """Return a short hash of the columns from which folds of genes are made."""
    columns = [component_genes(adata)]
    if gene_clusters is not None:
        columns.append(pd.factorize(adata.var[gene_clusters])[0])
    return hash_values(*columns)


def make_repeat(inputs: Inputs, choice: ErrorChoice, number: int, options: FitOptions) -> Repeat:
    """Divide genes and cells into two folds, and find the neighbours for each fold of genes."""
    given = inputs, choice, number, options
    return once(lambda: ("ratios", *_made_from(*given)), partial(_repeat, *given))


def with_direction_graphs(
    repeat: Repeat, inputs: Inputs, choice: ErrorChoice, number: int, options: FitOptions
) -> Repeat:
    """Return a repeat with the neighbours among which directions are measured."""
    if external(neighbor_params(inputs.adata, options.neighbors_key)):
        return repeat
    given = inputs, choice, number, options
    graphs = once(lambda: ("directions", *_made_from(*given)), partial(_direction_graphs, *given))
    return replace(repeat, direction_graphs=graphs)


def _made_from(
    inputs: Inputs, choice: ErrorChoice, number: int, options: FitOptions
) -> tuple[object, ...]:
    """Return everything from which a repeat is made, for comparison."""
    params = neighbor_params(inputs.adata, options.neighbors_key)
    if external(params):
        found_by = inputs.neighbors_hash(options.neighbors_key)
    else:
        found_by = f"{params.get('n_neighbors')} {params.get('n_pcs')}"
    return (
        number,
        choice.rng,
        found_by,
        inputs.cells_hash,
        folds_hash(inputs.adata, choice.gene_clusters),
        *(x.tobytes() for x in (inputs.gene_hashes, inputs.cells)),
        inputs.checksums(options.spliced).tobytes(),
    )


def _repeat(inputs: Inputs, choice: ErrorChoice, number: int, options: FitOptions) -> Repeat:
    adata, cells, seed = inputs.adata, inputs.cells, choice.rng
    cell_fold = Names(inputs.cell_hashes, seed).halves(f"cells of repeat {number}")
    params = neighbor_params(adata, options.neighbors_key)
    if external(params):
        # neighbours that were not found from these counts are used for all genes
        stored = inputs.connectivities(options.neighbors_key)
        graph = SmoothingOperator.from_connectivities(stored, cells).without_self()
        neighbors = RankedNeighbors.equal(graph)
        return Repeat(np.zeros(adata.n_vars, dtype=np.int8), cell_fold, (neighbors, neighbors))
    gene_fold = _gene_halves(inputs, choice, number)
    n_nearest = _n_neighbors(inputs, options)
    n_ranked = min(math.ceil(_RANKED * n_nearest), adata.n_obs - 1)
    graphs = _searched(inputs, choice, options, gene_fold, (n_ranked, n_nearest), limited=True)
    return Repeat(gene_fold, cell_fold, graphs)


def _direction_graphs(
    inputs: Inputs, choice: ErrorChoice, number: int, options: FitOptions
) -> tuple[RankedNeighbors, RankedNeighbors]:
    """Find the neighbours for each fold of genes among which directions are measured.

    All genes count as they do in the ordinary graph: markers of a small cluster may be few.
    """
    gene_fold = _gene_halves(inputs, choice, number)
    n_nearest = _n_neighbors(inputs, options)
    return _searched(inputs, choice, options, gene_fold, (n_nearest, n_nearest), limited=False)


def _n_neighbors(inputs: Inputs, options: FitOptions) -> int:
    """Return the number of neighbours of the ordinary graph, without the cell itself."""
    params = neighbor_params(inputs.adata, options.neighbors_key)
    return min(int(params.get("n_neighbors", 30)), inputs.adata.n_obs) - 1


def _searched(
    inputs: Inputs,
    choice: ErrorChoice,
    options: FitOptions,
    gene_fold: NDArray[np.int8],
    n_neighbors: tuple[int, int],
    *,
    limited: bool,
) -> tuple[RankedNeighbors, RankedNeighbors]:
    """Return the nearest cells of every cell for each fold of genes, found from the other genes.

    `n_neighbors` are the numbers of all neighbours and of those with equal weights.
    """
    counts, chosen = inputs.counts(options.spliced), component_genes(inputs.adata)
    params = neighbor_params(inputs.adata, options.neighbors_key)
    found = []
    for fold in (0, 1):
        values = _fold_expression(counts, chosen & (gene_fold != fold), limited=limited)
        # half of the genes may have fewer components; one more measures the variance of noise
        n_pcs = min(int(params.get("n_pcs", 30) or 30) + 1, min(values.shape) - 1)
        signal = _signal(components(values, n_pcs, rng=choice.rng))
        indices, _ = nearest_neighbors(signal, n_neighbors[0] + 1, rng=choice.rng)
        graph = RankedNeighbors.nearest(indices[:, 1:], n_neighbors[1])
        found.append(graph if inputs.cells.all() else graph.without(~inputs.cells))
    return found[0], found[1]


def _fold_expression(
    counts: Any, genes: NDArray[np.bool_], *, limited: bool = True
) -> sp.csr_matrix[Any]:
    """Return log-normalised counts of some genes.

    Library sizes are sums over these genes: those over all genes would include counts of the other
    fold. If it is `limited` what one gene may weigh, a gene with more molecules than the average
    gene has a smaller weight in these sums, and a gene that varies much is scaled down: otherwise
    one gene could change the neighbours of many cells.
    """
    chosen = sp.csr_matrix(counts[:, genes], dtype=np.float32)
    ones = np.ones(chosen.shape[0])
    factor = None
    if is_integer(chosen):
        weights = np.ones(chosen.shape[1])
        if limited:
            total = weighted_column_sums(chosen, ones)
            most = max(total.mean(), 1.0)
            weights = most / np.maximum(total, most)
        sizes = chosen @ weights
        middle = float(np.median(sizes))
        factor = sizes / (middle if middle > 0 else 1.0)
    values = log_normalized(chosen, factor)
    if not limited:
        return values
    mean, mean_square = (weighted_column_sums(values.power(p), ones) / len(ones) for p in (1, 2))
    deviation = np.sqrt(np.maximum(mean_square - mean**2, 0.0))
    scale = _MOST_DEVIATION / np.maximum(deviation, _MOST_DEVIATION)
    return sp.csr_matrix(values @ sp.diags_array(scale.astype(np.float32)))


def _signal(components: NDArray[np.float32]) -> NDArray[np.float32]:
    r"""Return all components except the last, scaled down by the variance of the last.

    .. math:: p_k \sqrt{1 - \lambda_K / \lambda_k}

    Components that contain only noise have almost equal variances. Without scaling, single genes
    would decide which of them are among the first K, and would change the neighbours.
    """
    if components.shape[1] < 2:
        return components
    variance = components.var(axis=0, dtype=np.float64)
    share = 1 - variance[-1] / np.maximum(variance[:-1], np.finfo(float).tiny)
    return components[:, :-1] * np.sqrt(np.maximum(share, 0.0)).astype(np.float32)


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
