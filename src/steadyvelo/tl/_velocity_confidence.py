"""Length and confidence of every cell's velocity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._fit import Fit
from steadyvelo._arguments import public
from steadyvelo.engine import velocity_agreement

from ._limits import Limits
from ._stored_graph import StoredGraph

if TYPE_CHECKING:
    from anndata import AnnData

    from steadyvelo.engine._progress import ShowProgress

__all__ = ["velocity_confidence"]


@public
def velocity_confidence(
    adata: AnnData,
    *,
    velocity_key: str = "velocity",
    scale: float = 10.0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Compute length and confidence of every cell's velocity.

    Over the genes of the velocity graph, with :math:`\rho` the Pearson correlation:

    .. math::
        \text{length} = \lVert v_i - \bar v_i \rVert, \quad
        \text{confidence} = \max\Bigl(0,
        \operatorname{mean}_{j \in N(i)} \rho(v_i, v_j)\Bigr), \\
        \text{confidence of transitions} = \rho\Bigl(v_i, \textstyle\sum_j T_{ij} (x_j - x_i)\Bigr)

    N(i) are the nearest neighbours from which the velocity graph was computed, T are its transition
    probabilities with self-transitions, and x are smoothed spliced abundances. Smoothed values of
    neighbours share most of their counts: high confidence means that velocities vary smoothly, not
    that they are correct.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`.
    velocity_key
        Prefix of the fit.
    scale
        λ of the transition probabilities; see :func:`steadyvelo.tl.transition_matrix`.
    max_memory
        Memory for gene blocks, in bytes or as ``"8GB"``; None means ``settings.max_memory``, or a
        quarter of the available memory, at most the larger of 1.5 GB and 2,400 bytes for each cell.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar, None follows ``settings.progress``; a function is called with the share of
        the work that is done, in (0, 1].

    Returns
    -------
    None. Sets, for ``velocity_key="velocity"``:

    ``obs["velocity_length"]``
        Length, in molecules per splicing time.
    ``obs["velocity_confidence"]``
        Confidence, in [0, 1]; NaN if a cell has no neighbours, or if the velocity of one of them is
        the same in all genes.
    ``obs["velocity_confidence_transition"]``
        Confidence of transitions, in [−1, 1]; NaN for a cell without transitions.

    Raises
    ------
    KeyError
        If there is no velocity graph.
    ValueError
        If cells, counts or neighbours have changed since the fit, or `scale` is not positive.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata)
    >>> sv.tl.velocity_graph(adata)
    >>> sv.tl.velocity_confidence(adata)
    >>> bool(adata.obs["velocity_confidence"].median() > 0.5)
    True
    """
    fit = Fit.read(adata, velocity_key, then=("tl.velocity_graph",))
    graph = StoredGraph.read(fit)
    with Limits.of_call("confidence", max_memory, n_threads, progress) as limits:
        threads = limits.n_threads
        neighbors = fit.inputs.direct_neighbors(fit.graph.neighbors_key)
        velocities = fit.velocities(fit.genes_of_graph, neighbors)
        transitions = graph.transitions(scale, threads, order=velocities.order)
        rows = velocity_agreement(
            velocities.blocks(limits.genes_per_block(adata.n_obs), threads, limits.report),
            velocities.order.relabel(*neighbors),
            (transitions.indptr, transitions.indices, transitions.data),
            n_threads=threads,
        )
    length, confidence, along = (values[velocities.order.row_of_cell] for values in rows)
    _keys.LENGTH.write(adata, length, velocity_key)
    # the definition sets negative means to 0
    _keys.CONFIDENCE.write(adata, np.maximum(confidence, 0.0), velocity_key)
    _keys.CONFIDENCE_TRANSITION.write(adata, along, velocity_key)
