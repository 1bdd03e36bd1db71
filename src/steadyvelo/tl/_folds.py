"""Folds of genes and cells for cross-fitting, and the neighbours for each fold of genes."""

from __future__ import annotations

import math
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo._adata._checks import check_counts, is_integer
from steadyvelo._adata._draws import Names, hash_names
from steadyvelo._adata._neighbor_graph import external, neighbor_params
from steadyvelo._adata._provenance import hash_values
from steadyvelo.engine import RankedNeighbors, Repeat, SmoothingOperator
from steadyvelo.pp._components import components, log_normalized
from steadyvelo.pp._nearest import nearest_neighbors
from steadyvelo.pp._neighbors import component_genes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit_params import ErrorChoice, FitOptions
    from steadyvelo._adata._inputs import Inputs

__all__ = ["folds_hash", "kept_folds", "make_repeat", "with_direction_graphs"]

Made = TypeVar("Made")

_KEPT: ContextVar[dict[tuple[object, ...], Any] | None] = ContextVar("folds", default=None)

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


@contextmanager
def kept_folds() -> Iterator[None]:
    """Keep the folds that are made, for fits of the same counts that need them again."""
    if _KEPT.get() is not None:
        yield
        return
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def make_repeat(inputs: Inputs, choice: ErrorChoice, number: int, options: FitOptions) -> Repeat:
    """Divide genes and cells into two folds, and find the neighbours for each fold of genes."""
    return _once("ratios", _repeat, inputs, choice, number, options)


def with_direction_graphs(
    repeat: Repeat, inputs: Inputs, choice: ErrorChoice, number: int, options: FitOptions
) -> Repeat:
    """Return a repeat with the neighbours among which directions are measured."""
    if external(neighbor_params(inputs.adata, options.neighbors_key)):
        return repeat
    graphs = _once("directions", _direction_graphs, inputs, choice, number, options)
    return replace(repeat, direction_graphs=graphs)


def _once(what: str, make: Callable[..., Made], *inputs: Any) -> Made:
    """Return what was made from the same inputs, if it was kept."""
    kept = _KEPT.get()
    if kept is None:
        return make(*inputs)
    key = what, *_made_from(*inputs)
    if key not in kept:
        kept[key] = make(*inputs)
    made: Made = kept[key]
    return made


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
    gene_fold = _gene_halves(inputs, choice, f"genes of repeat {number}")
    first, second = (
        _ranked(adata, options, genes, seed) for genes in _other_genes(adata, gene_fold)
    )
    if not cells.all():
        first, second = first.without(~cells), second.without(~cells)
    return Repeat(gene_fold, cell_fold, (first, second))


def _direction_graphs(
    inputs: Inputs, choice: ErrorChoice, number: int, options: FitOptions
) -> tuple[RankedNeighbors, RankedNeighbors]:
    """Find the neighbours for each fold of genes among which directions are measured.

    All genes count as they do in the ordinary graph: markers of a small cluster may be few.
    """
    adata, cells = inputs.adata, inputs.cells
    gene_fold = _gene_halves(inputs, choice, f"genes of repeat {number}")
    counts, params = inputs.counts(options.spliced), neighbor_params(adata, options.neighbors_key)
    found = []
    for genes in _other_genes(adata, gene_fold):
        n = min(int(params.get("n_neighbors", 30)), adata.n_obs) - 1
        values = log_normalized(*_counts_and_sizes(counts, genes))
        graph = RankedNeighbors.nearest(_search(values, n, params, choice.rng), n)
        found.append(graph if cells.all() else graph.without(~cells))
    return found[0], found[1]


def _other_genes(adata: AnnData, gene_fold: NDArray[np.int8]) -> list[NDArray[np.bool_]]:
    """Return the genes from which the neighbours for each fold of genes are found."""
    chosen = component_genes(adata)
    return [chosen & (gene_fold != fold) for fold in (0, 1)]


def _ranked(
    adata: AnnData, options: FitOptions, genes: NDArray[np.bool_], seed: int
) -> RankedNeighbors:
    """Return the nearest neighbours of every cell from some genes, with falling weights."""
    params = neighbor_params(adata, options.neighbors_key)
    n_nearest = min(int(params.get("n_neighbors", 30)), adata.n_obs) - 1
    n_ranked = min(math.ceil(_RANKED * n_nearest), adata.n_obs - 1)
    values = _fold_expression(check_counts(adata, options.spliced), genes)
    return RankedNeighbors.nearest(_search(values, n_ranked, params, seed), n_nearest)


def _search(
    values: sp.csr_matrix[Any], n_neighbors: int, params: dict[str, Any], seed: int
) -> NDArray[np.int32]:
    """Return the nearest cells of every cell in principal components, without the cell itself."""
    # half of the genes may have fewer components; one more measures the variance of noise
    n_pcs = min(int(params.get("n_pcs", 30) or 30) + 1, min(values.shape) - 1)
    signal = _signal(components(values, n_pcs, rng=seed))
    indices, _ = nearest_neighbors(signal, n_neighbors + 1, rng=seed)
    return indices[:, 1:]


def _counts_and_sizes(
    counts: Any, genes: NDArray[np.bool_]
) -> tuple[sp.csr_matrix[Any], NDArray[np.float64] | None]:
    """Return the counts of some genes, and library sizes over them divided by their median.

    Library sizes over all genes would include counts of the other fold.
    """
    chosen = sp.csr_matrix(sp.csr_matrix(counts, dtype=np.float32)[:, genes])
    if not is_integer(chosen):
        return chosen, None
    sizes = np.asarray(chosen.sum(axis=1), dtype=np.float64).ravel()
    return chosen, sizes / max(float(np.median(sizes)), 1.0)


def _fold_expression(counts: Any, genes: NDArray[np.bool_]) -> sp.csr_matrix[Any]:
    """Return log-normalised counts of some genes, none of which has a large part in them.

    Library sizes are sums over these genes. In these sums, a gene with more molecules than the
    average gene has a smaller weight, and a gene that varies much is scaled down: otherwise one
    gene could change the neighbours of many cells.
    """
    chosen, factor = _counts_and_sizes(counts, genes)
    if factor is not None:
        total = _column_sums(chosen)
        most = max(total.mean(), 1.0)
        sizes = chosen @ (most / np.maximum(total, most))
        middle = float(np.median(sizes))
        factor = sizes / (middle if middle > 0 else 1.0)
    values = log_normalized(chosen, factor)
    mean, mean_square = (_column_sums(values.power(p)) / values.shape[0] for p in (1, 2))
    deviation = np.sqrt(np.maximum(mean_square - mean**2, 0.0))
    scale = _MOST_DEVIATION / np.maximum(deviation, _MOST_DEVIATION)
    return sp.csr_matrix(values @ sp.diags_array(scale.astype(np.float32)))


def _column_sums(matrix: sp.csr_matrix[Any]) -> NDArray[np.float64]:
    """Return the sum of every column in float64; scipy sums float32 values in float32."""
    return np.bincount(matrix.indices, weights=matrix.data, minlength=matrix.shape[1])


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


def _gene_halves(inputs: Inputs, choice: ErrorChoice, purpose: str) -> NDArray[np.int8]:
    """Divide the genes into two folds; genes of one cluster are in the same fold."""
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
