"""Correlations between velocities and the differences to other cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._checks import check_adata, listed, warn, writable
from steadyvelo._fitted import Fitted
from steadyvelo._neighbor_graph import distances
from steadyvelo._sources import (
    check_fit_unchanged,
    fitted_source,
    moments_of_fit,
    used_cells,
)
from steadyvelo.engine import (
    LayerSource,
    count_threads,
    edge_correlations,
    genes_per_block,
    recursive_neighbors,
    self_transition_probability,
    split_signs,
)

from ._fit_results import GRAPH_PARAMS, clear_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import scipy.sparse as sp
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["velocity_graph"]


def velocity_graph(
    adata: AnnData,
    *,
    velocity_key: str = "velocity",
    n_recurse_neighbors: int = 2,
    neighbors_key: str | None = None,
    max_memory: float | None = None,
    n_threads: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    r"""Correlate every cell's velocity with the differences to its neighbours and theirs.

    .. math:: c_{ij} = \operatorname{corr}_g(x_{jg} - x_{ig},\; v_{ig})

    over the velocity genes g, for the edges i → j of two steps on the graph of nearest
    neighbours. x are smoothed spliced abundances.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`.
    velocity_key
        Prefix of that result.
    n_recurse_neighbors
        Steps on the neighbour graph: 1 for neighbours, 2 for neighbours and theirs.
    neighbors_key
        Name of the neighbour graph in ``uns``; None means the one the fit was smoothed with.
    max_memory
        Bytes that gene blocks may take; None means a quarter of what is available.
    n_threads
        Number of threads; None means all processors.
    progress
        Called with the share of genes done, in (0, 1].

    Returns
    -------
    None. Sets, for ``velocity_key="velocity"``:

    ``obsp["velocity_graph"]``, ``obsp["velocity_graph_neg"]``
        Positive and negative correlations, CSR float32, cells × cells.
    ``obs["velocity_self_transition"]``
        clip(P98(c) − c, 0, 1), c a cell's largest correlation, P98 its 98th percentile.

    Raises
    ------
    KeyError
        If there are no velocities or no neighbours.
    ValueError
        If cells, counts or neighbours have changed since the fit, or there are fewer than two
        velocity genes.

    Warns
    -----
    SteadyveloWarning
        If cells have no neighbours: they get no edges and no arrow.

    References
    ----------
    La Manno et al. (2018), https://doi.org/10.1038/s41586-018-0414-6; Bergen et al. (2020),
    https://doi.org/10.1038/s41587-020-0591-3.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata)
    >>> sv.tl.velocity_graph(adata)
    >>> bool(0 < adata.obsp["velocity_graph"].max() <= 1)
    True
    """
    check_adata(adata)
    threads = count_threads(n_threads)
    if n_recurse_neighbors < 1:
        msg = f"n_recurse_neighbors must be at least 1; it is {n_recurse_neighbors}."
        raise ValueError(msg)
    fitted = Fitted.read(adata, velocity_key)
    genes = np.flatnonzero(fitted.velocity_genes & ~np.isnan(fitted.gamma))
    if len(genes) < 2:
        reasons = adata.var[_keys.REASON.of(velocity_key)].astype(str).value_counts()
        why = ", ".join(f"{n:,} {reason}" for reason, n in reasons.items() if reason)
        msg = (
            f"{len(genes)} velocity genes are too few for a correlation over genes (the others: "
            f"{why}). The data hold little splicing signal; min_r2 and min_gamma set the bar."
        )
        raise ValueError(msg)
    if _keys.GENES_USED.of() in adata.var:
        used = adata.var[_keys.GENES_USED.of()].to_numpy(dtype=bool)
        if not used[genes].all():
            msg = (
                f"{int((~used[genes]).sum()):,} velocity genes are no longer marked in "
                f"var[{_keys.GENES_USED.of()!r}]; rerun tl.velocity."
            )
            raise ValueError(msg)
    if neighbors_key is None:
        neighbors_key = fitted.params.get("neighbors_key") or None
    indptr, indices = _direct_neighbors(
        distances(adata, neighbors_key), used_cells(adata), adata.obs_names
    )
    indptr, indices = recursive_neighbors(
        indptr, indices, n_steps=n_recurse_neighbors, n_threads=threads
    )
    correlation = edge_correlations(
        _blocks(adata, genes, fitted, genes_per_block(adata.n_obs, max_memory), threads, progress),
        indptr,
        indices,
        n_threads=threads,
    )
    graph, graph_neg = split_signs(correlation, indptr, indices)

    writable(adata)
    clear_graph(adata, velocity_key)
    adata.obsp[_keys.GRAPH.of(velocity_key)] = graph
    adata.obsp[_keys.GRAPH_NEG.of(velocity_key)] = graph_neg
    adata.obs[_keys.SELF_TRANSITION.of(velocity_key)] = self_transition_probability(
        graph, used_cells(adata)
    )
    adata.uns[_keys.PARAMS.of(velocity_key)] = {
        **{k: v for k, v in fitted.params.items() if k not in GRAPH_PARAMS},
        "n_recurse_neighbors": n_recurse_neighbors,
        "graph_neighbors_key": neighbors_key or "",
    }


def _direct_neighbors(
    graph: sp.csr_array, cells: NDArray[np.bool_], names: object
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the pattern of nearest neighbours without cells that are flagged."""
    if not cells.all():
        keep = np.repeat(cells, np.diff(graph.indptr)) & cells[graph.indices]
        counts = np.concatenate([[0], np.cumsum(keep)])
        indptr, indices = counts[graph.indptr], graph.indices[keep]
    else:
        indptr, indices = graph.indptr, graph.indices
    isolated = (np.diff(indptr) == 0) & cells
    if isolated.all():
        msg = "the graph of distances has no edges; rerun pp.neighbors."
        raise ValueError(msg)
    if isolated.any():
        warn(
            f"{int(isolated.sum()):,} cells have no neighbours "
            f"({listed(np.asarray(names)[isolated], 3)}): they get no edges and no arrow.",
            stacklevel=4,
        )
    return indptr.astype(np.int64), indices.astype(np.int32)


def _blocks(
    adata: AnnData,
    genes: NDArray[np.int64],
    fitted: Fitted,
    genes_per_block: int,
    n_threads: int,
    progress: Callable[[float], None] | None,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield expression and velocity of the velocity genes, block by block."""
    velocity_layer = _keys.VELOCITY.of(fitted.key)
    # both layers of one fit, or both made anew from what it was made of
    dense = velocity_layer in adata.layers and moments_of_fit(adata, fitted.params)
    if dense:
        check_fit_unchanged(adata, fitted.params, fitted.key)
        velocity = adata.layers[velocity_layer]
        source = LayerSource(adata.layers[_keys.MS.of()], velocity, genes)
    else:
        source = fitted_source(adata, genes, fitted.params, fitted.key)
    gamma, offset = fitted.gamma[genes], fitted.offset[genes]
    for block in source.blocks(genes_per_block, n_threads):
        if dense:
            yield block.spliced, block.unspliced
        else:
            yield block.spliced, block.velocity(gamma[block.genes], offset[block.genes])
        if progress is not None:
            progress(block.genes.stop / len(genes))
