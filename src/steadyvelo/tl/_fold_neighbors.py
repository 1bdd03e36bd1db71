"""The neighbours for the genes of one fold, which are found from the other genes.

There are two kinds. Among the neighbours for ratios, no gene decides much: library sizes are sums
in which no gene has a larger weight than the average gene, and a gene that varies much is scaled
down. So a ratio hardly changes if another gene is left out. There are twice as many as in the
ordinary graph, with weights that fall to zero. Among the neighbours for directions, all genes count
as they do in the ordinary graph: markers of a small cluster may be few.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steadyvelo._adata._draws import Names
from steadyvelo._adata._groups import within_codes
from steadyvelo._adata._neighbor_graph import neighbor_params, representation, search_options
from steadyvelo.engine import RankedNeighbors, weighted_row_sums
from steadyvelo.engine._precision import MOST_PRECISE
from steadyvelo.pp._components import MOST_GENES, Covariance, iterated_components
from steadyvelo.pp._expression import LogExpression
from steadyvelo.pp._nearest import comparable_rows, nearest_neighbors, nearest_within
from steadyvelo.pp._neighbors import component_genes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit_params import FitOptions
    from steadyvelo._adata._inputs import Inputs


__all__ = ["FoldNeighbors", "Graphs", "fold_neighbors", "neighbors_within", "states_from"]

# neighbours with falling weights for every neighbour of the graph
_RANKED = 2.0
# largest standard deviation of a gene's log-normalised expression
_MOST_DEVIATION = 0.3
# cells from which directions of principal components are computed
_COMPONENT_CELLS = 5_000
# share of the true neighbours that an approximate search finds: instruments need not be those of
# the nearest cells
_RECALL = 0.8
_REMEDY = "neighbours are searched in it; restore it, or rerun pp.neighbors and tl.velocity."


class Graphs(NamedTuple):
    """The graphs of folds that are needed: for instruments of ratios, and for directions."""

    ratios: bool
    directions: bool


class FoldNeighbors(NamedTuple):
    """The neighbours for ratios and for directions; None for what is not wanted."""

    ratios: RankedNeighbors | None
    directions: RankedNeighbors | None


def fold_neighbors(
    inputs: Inputs,
    genes: NDArray[np.bool_],
    options: FitOptions,
    rng: int,
    wanted: Graphs,
    n_threads: int,
    within: NDArray[np.intp] | None = None,
) -> FoldNeighbors:
    """Find the nearest cells of every cell from some genes: for ratios, for directions or both.

    With `within`, the number of each cell's group, they are searched within groups; and always
    within the groups of the graph, if it has any.
    """
    n_nearest, n_ranked = _numbers(inputs, options)
    metric, within = _search(inputs, options, within)

    def found(components: NDArray[np.float32] | None, n: int) -> RankedNeighbors | None:
        if components is None:
            return None
        rows = comparable_rows(_signal(components), metric)
        search = {"rng": rng, "recall": _RECALL, "most_exact": MOST_PRECISE, "n_threads": n_threads}
        if within is not None:
            graph = RankedNeighbors.ranked(*nearest_within(rows, within, n, **search), n_nearest)
        else:
            indices, _ = nearest_neighbors(rows, n + 1, **search)
            graph = RankedNeighbors.nearest(indices[:, 1:], n_nearest)
        return _of_used(graph, inputs)

    limited, usual = _of_genes(inputs, genes, options, rng, wanted, n_threads)
    return FoldNeighbors(found(limited, n_ranked), found(usual, n_nearest))


def states_from(
    inputs: Inputs, genes: NDArray[np.bool_], options: FitOptions, rng: int, n_threads: int
) -> NDArray[np.float32]:
    """Return a representation of the cells from some genes, as for directions."""
    wanted = Graphs(ratios=False, directions=True)
    _, usual = _of_genes(inputs, genes, options, rng, wanted, n_threads)
    return _signal(np.ascontiguousarray(usual))


def _of_genes(
    inputs: Inputs,
    genes: NDArray[np.bool_],
    options: FitOptions,
    rng: int,
    wanted: Graphs,
    n_threads: int,
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Return principal components of some genes: for ratios and for directions."""
    counts = inputs.counts(options.spliced)
    params = neighbor_params(inputs.adata, options.neighbors_key)
    chosen = component_genes(inputs.adata) & genes
    values = _fold_expression(counts, chosen, inputs.molecules(options.spliced), n_threads)
    # half of the genes may have fewer components; one more measures the variance of noise
    n_pcs = min(int(params.get("n_pcs", 30) or 30) + 1, min(values.shape) - 1)
    names = Names(inputs.cell_hashes, rng)
    cells = names.sample("cells of principal components", _COMPONENT_CELLS)
    return _components(values, n_pcs, cells, rng, wanted)


def neighbors_within(
    inputs: Inputs, options: FitOptions, within: NDArray[np.intp], rng: int, n_threads: int
) -> RankedNeighbors:
    """Find the nearest cells of every cell in its group, in the representation of the graph."""
    rows = representation(inputs.adata, options.neighbors_key, _REMEDY)
    n_nearest, n_ranked = _numbers(inputs, options)
    metric, groups = _search(inputs, options, within)
    rows = comparable_rows(rows, metric)
    found = nearest_within(rows, groups, n_ranked, rng=rng, n_threads=n_threads)
    return _of_used(RankedNeighbors.ranked(*found, n_nearest), inputs)


def _of_used(graph: RankedNeighbors, inputs: Inputs) -> RankedNeighbors:
    """Return the neighbours without cells that are not used."""
    return graph if inputs.cells.all() else graph.without(~inputs.cells)


def _search(
    inputs: Inputs, options: FitOptions, within: NDArray[np.intp] | None
) -> tuple[str, Any]:
    """Return the metric of the graph, and the groups within which neighbours are searched.

    These are the groups of the graph, divided by the numbers in `within`; None for no groups.
    """
    found = search_options(neighbor_params(inputs.adata, options.neighbors_key))
    of_graph = within_codes(inputs.adata, found["within"], _REMEDY)
    groups = [codes for codes in (of_graph, within) if codes is not None]
    if not groups:
        return found["metric"], None
    both = np.unique(np.stack(groups), axis=1, return_inverse=True)[1]
    return found["metric"], both.ravel()


def _numbers(inputs: Inputs, options: FitOptions) -> tuple[int, int]:
    """Return the number of neighbours of the graph, and that with falling weights."""
    params = neighbor_params(inputs.adata, options.neighbors_key)
    n_cells = inputs.adata.n_obs
    n_nearest = min(int(params.get("n_neighbors", 30)), n_cells) - 1
    return n_nearest, min(math.ceil(_RANKED * n_nearest), n_cells - 1)


def _fold_expression(
    counts: Any,
    genes: NDArray[np.bool_],
    molecules: NDArray[np.float64] | None,
    n_threads: int = 1,
) -> LogExpression:
    """Return log-normalised counts of some genes, given the molecules of all genes.

    Without molecules, values are taken as normalised.

    Library sizes are sums over these genes: those over all genes would include counts of the other
    fold. A gene with more molecules than the average gene has a smaller weight in these sums.
    """
    rows = counts if isinstance(counts, sp.csr_array) else sp.csr_array(counts)
    factor = None
    if molecules is not None:
        most = max(molecules[genes].mean(), 1.0)
        weights = genes * most / np.maximum(molecules, most)
        sizes = weighted_row_sums(rows, weights[:, None], n_threads)[:, 0]
        middle = float(np.median(sizes))
        factor = sizes / (middle if middle > 0 else 1.0)
    return LogExpression.of(rows, genes, factor, n_threads)


def _least_scale(deviations: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the factors by which genes that vary much are scaled down."""
    scale = _MOST_DEVIATION / np.maximum(deviations, _MOST_DEVIATION)
    return np.asarray(scale, dtype=np.float32)


def _components(
    values: LogExpression,
    n_pcs: int,
    cells: NDArray[np.intp],
    rng: int,
    wanted: Graphs,
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Return the first principal components of scaled values, and of unscaled ones."""
    if values.shape[1] > MOST_GENES:
        # their covariance would need much memory
        matrix = values.matrix()
        mean, square = (np.asarray(x.mean(axis=0)).ravel() for x in (matrix, matrix.power(2)))
        scale = _least_scale(np.sqrt(np.maximum(square - mean**2, 0.0)))
        limited = iterated_components(values.scaled(scale), n_pcs, rng=rng)
        usual = iterated_components(values, n_pcs, rng=rng) if wanted.directions else None
        return limited if wanted.ratios else None, usual
    in_float32 = values.shape[0] > MOST_PRECISE
    covariance = Covariance.of(values, cells, in_float32=in_float32)
    scale = _least_scale(covariance.deviations())
    axes = [
        covariance.axes(n_pcs, of)
        for needed, of in zip(wanted, (scale, None), strict=True)
        if needed
    ]
    all_axes = np.hstack(axes)
    projected = values.projected(all_axes, covariance.mean @ all_axes, in_float32=in_float32)
    parts = iter(np.split(projected.astype(np.float32, copy=False), len(axes), axis=1))
    limited, usual = (np.ascontiguousarray(next(parts)) if needed else None for needed in wanted)
    return limited, usual


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
