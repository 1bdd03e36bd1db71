"""Correlations between velocities and differences in expression to other cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import GraphParams
from steadyvelo._adata._programme import Programme, programme_of
from steadyvelo._arguments import public
from steadyvelo._log import done
from steadyvelo.engine import (
    BYTES_PER_VALUE,
    correlation_graphs,
)

from ._limits import Limits
from ._stale import clear_graph
from ._stored_graph import StoredGraph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import CellOrder
    from steadyvelo.engine._progress import ShowProgress
    from steadyvelo.model._typing import Float32Array, Pattern

    Blocks = Iterator[tuple[Float32Array, Float32Array]]

__all__ = ["correlated", "make_graph", "velocity_graph"]


@public
def velocity_graph(
    adata: AnnData,
    *,
    velocity_key: str = "velocity",
    genes: str | Iterable[str] | NDArray[np.bool_] | None = None,
    n_recurse_neighbors: int = 2,
    sqrt_transform: bool | None = None,
    neighbors_key: str | None = None,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Correlate each cell's velocity with its differences in expression to cells near it.

    .. math:: c_{ij} = \operatorname{corr}_g(x_{jg} - x_{ig},\; v_{ig})

    over the velocity genes g, for the neighbours j of cell i and their neighbours. x are smoothed
    spliced abundances.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`.
    velocity_key
        Prefix of the fit.
    genes
        A gene programme, such as the genes of the cell cycle: the name of a column of ``var`` with
        True and False, a mask of all genes, or names of genes. Its velocity genes are used; what
        makes a gene a velocity gene is not changed by it. None uses all velocity genes.
        Tests of directions and verdicts always use all velocity genes. So pictures of the arrows of
        a programme do not show which are significant; to test these, analyse a copy of `adata` that
        has only the genes of the programme.
    n_recurse_neighbors
        Steps on the neighbour graph: 1 for neighbours, 2 also for the neighbours of neighbours.
    sqrt_transform
        Correlate :math:`\mathrm{sign}(y)\sqrt{|y|}` instead of the differences and velocities y,
        which gives highly expressed genes less weight. None does so for a stochastic fit only, as
        scVelo does.
    neighbors_key
        Name of the neighbour graph in ``uns``; None means the neighbour graph of the fit.
    max_memory
        Memory for gene blocks, in bytes or as ``"8GB"``; None means ``settings.max_memory``, or a
        quarter of the available memory, at most the larger of 1.5 GB and 2,400 bytes for each cell.
        If sums of all edges would need more, they are computed for one part of the cells after the
        other.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar, None follows ``settings.progress``; a function is called with the share of
        the work that is done, in (0, 1].

    Returns
    -------
    None. Sets, for ``velocity_key="velocity"``:

    ``obsp["velocity_graph"]``, ``obsp["velocity_graph_neg"]``
        Positive and negative correlations, CSR float32, cells × cells.
    ``obs["velocity_self_transition"]``
        clip(P98(c) − c, 0, 1) for each cell, where c is its largest correlation and P98(c) the 98th
        percentile of c.
    ``var["velocity_graph_genes"]``
        Whether the graph uses the gene, if it is that of a programme. Results that are computed
        from the graph and these genes are refused if the programme has changed.

    Raises
    ------
    KeyError
        If the fit, the neighbour graph, a gene or a column of `genes` is missing.
    ValueError
        If cells, counts or neighbours have changed since the fit, there are fewer than two
        velocity genes, or `genes` is not a column of True and False or a mask of all genes.

    Warns
    -----
    SteadyveloWarning
        If cells have no neighbours, and therefore no edges and no arrow.

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
    programme = None if genes is None else programme_of(adata, genes)
    with Limits.of_call("velocity graph", max_memory, n_threads, progress) as limits:
        make_graph(
            Fit.read(adata, velocity_key),
            limits,
            n_recurse_neighbors=n_recurse_neighbors,
            sqrt_transform=sqrt_transform,
            neighbors_key=neighbors_key,
            programme=programme,
        )
    n_edges = (
        _keys.GRAPH.read(adata, velocity_key).nnz + _keys.GRAPH_NEG.read(adata, velocity_key).nnz
    )
    of_genes = ""
    if programme is not None:
        n_used = int(_keys.GRAPH_GENES.values(adata, velocity_key).sum())
        of_genes = f"; of the {int(programme.mask.sum()):,} genes given, {n_used:,} are used"
    done(f"the velocity graph has {n_edges:,} edges between {adata.n_obs:,} cells{of_genes}")


def make_graph(
    fit: Fit,
    limits: Limits,
    *,
    n_recurse_neighbors: int = 2,
    sqrt_transform: bool | None = None,
    neighbors_key: str | None = None,
    programme: Programme | None = None,
) -> None:
    """Do the work of :func:`velocity_graph`."""
    adata, key = fit.adata, fit.key
    genes = fit.graph_genes if programme is None else programme.among(fit.graph_genes)
    if sqrt_transform is None:
        sqrt_transform = fit.options.stochastic is not None
    if neighbors_key is None:
        neighbors_key = fit.options.neighbors_key
    recorded = None if programme is None else programme.recorded
    made = GraphParams(
        n_recurse_neighbors, len(genes), sqrt_transform, neighbors_key, genes=recorded
    )
    # cells that are used, then the fit, then the neighbours: a message of these would not say that
    # the fit is of other cells, too
    _ = fit.inputs.cells
    fit.check_unchanged()
    direct = fit.inputs.direct_neighbors(neighbors_key)
    velocities = fit.velocities(genes, direct)
    # sums over genes of edges are in memory beside the blocks
    size = limits.genes_per_block(adata.n_obs, 2 * BYTES_PER_VALUE)

    def blocks(start: float, stop: float) -> Blocks:
        return velocities.blocks(size, limits.n_threads, limits.part(start, stop).report)

    graph = correlated(fit, made, blocks, direct, velocities.order, size, limits)
    clear_graph(adata, key)
    _keys.GRAPH.write(adata, graph.positive, key)
    _keys.GRAPH_NEG.write(adata, graph.negative, key)
    _keys.SELF_TRANSITION.write(adata, graph.self_transition(), key)
    if programme is not None:
        _keys.GRAPH_GENES.write(adata, np.isin(np.arange(adata.n_vars), genes), key)
    fit.params.with_graph(made).write(adata, key)


def correlated(
    fit: Fit,
    made: GraphParams,
    blocks: Callable[[float, float], Blocks],
    direct: Pattern,
    order: CellOrder,
    size: int,
    limits: Limits,
) -> StoredGraph:
    """Return the velocity graph for the neighbours `direct` and the parameters `made`.

    `direct` is the pattern of a CSR matrix. ``blocks(start, stop)`` yields the expression and
    velocities of up to `size` genes at a time, with rows in the order `order`, and reports progress
    between these shares of the work.
    """
    graphs = correlation_graphs(
        order.relabel(*direct),
        blocks,
        order,
        n_steps=made.n_recurse_neighbors,
        square_root=made.sqrt_transform,
        genes_per_block=size,
        max_bytes=limits.block_bytes(len(order.cell_of_row), 2 * BYTES_PER_VALUE),
        n_threads=limits.n_threads,
    )
    return StoredGraph(fit, *graphs)
