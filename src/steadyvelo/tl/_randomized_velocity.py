"""Arrows of velocities that point nowhere, to look at beside the data's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, writable
from steadyvelo._adata._embeddings import check_finite_embedding
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo.engine import (
    BYTES_PER_VALUE,
    EdgeCorrelation,
    count_threads,
    genes_per_block,
    project_transitions,
    recursive_neighbors,
    self_transition_probability,
    split_signs,
)
from steadyvelo.engine._progress import ShowProgress, shown

from ._stored_graph import StoredGraph, checked_scale

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["randomized_velocity"]


def randomized_velocity(
    adata: AnnData,
    *,
    basis: str = "umap",
    velocity_key: str = "velocity",
    scale: float = 10.0,
    self_transitions: bool = True,
    rng: int = 0,
    max_memory: float | None = None,
    n_threads: int | None = None,
    progress: ShowProgress = False,
) -> None:
    r"""Draw arrows of velocities whose direction is noise, as a control.

    Every cell's deviation from the fitted lines, before it is smoothed, is given one random sign
    for all its genes,

    .. math:: v^* = W \bigl(\varepsilon \circ (\tilde u - \gamma \tilde s - o)\bigr),
        \qquad \varepsilon_i = \pm 1

    so that deviations are as large, as correlated between genes and as smooth between neighbours
    as those of the data, and point nowhere. Graph and arrows are made from them as from the data's.
    Whatever order the picture of this field shows, smoothing and projection have made.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph` with counts.
    basis
        Name of the embedding: ``obsm["X_umap"]`` for ``"umap"``.
    velocity_key
        Prefix of that result.
    scale, self_transitions
        As in :func:`steadyvelo.tl.velocity_embedding`.
    rng
        Seed of the signs.
    max_memory
        Bytes that gene blocks may take; None means a quarter of what is available, at most 1.5 GB.
    n_threads
        Number of threads; None means all processors.
    progress
        True shows a bar; a function is called with the share of genes done, in (0, 1].

    Returns
    -------
    None. Sets:

    ``obsm["velocity_randomized_umap"]``
        Arrows, float64, cells × dimensions of the embedding; NaN for cells without edges.
    ``uns["velocity_params"]["randomized"]``
        How those of each embedding were made.

    Raises
    ------
    KeyError
        If there is no such embedding, or no velocity graph.
    ValueError
        If the fit was not made from counts that are there, or these, cells or neighbours have
        changed since.

    References
    ----------
    ``docs/uncertainty.md`` tests directions against such controls.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.run(sv.datasets.simulate(n_cells=300, n_genes=60, rng=0), basis="pca")
    >>> sv.tl.randomized_velocity(adata, basis="pca")
    >>> adata.obsm["velocity_randomized_pca"].shape == adata.obsm["velocity_pca"].shape
    True
    """
    check_adata(adata)
    threads = count_threads(n_threads)
    basis = basis.removeprefix("X_")
    embedding = check_finite_embedding(adata, basis)
    fit = Fit.read(adata, velocity_key)
    StoredGraph.read(fit)
    checked_scale(scale)
    genes, made = fit.graph_genes, fit.graph
    source = fit.counts(genes)
    order = source.order
    direct = fit.inputs.direct_neighbors(made.neighbors_key)
    indptr, indices = recursive_neighbors(
        *order.relabel(*direct), n_steps=made.n_recurse_neighbors, n_threads=threads
    )
    # counts and moments of a block are held at once
    size = genes_per_block(adata.n_obs, max_memory, 2 * BYTES_PER_VALUE)
    edges = EdgeCorrelation(indptr, indices, square_root=made.sqrt_transform, genes_per_block=size)
    signs = np.random.default_rng(rng).choice(np.array([-1, 1], dtype=np.float32), adata.n_obs)
    signs = signs[order.cell_of_row, None]
    with shown(progress, "randomised velocity") as report:
        for block in source.blocks(size, threads):
            lines = fit.gamma[genes[block.genes]], fit.offset[genes[block.genes]]
            deviation = block.deviation(*lines, threads, out=block.kept_counts[1])
            deviation *= signs
            velocity = source.smoothing.apply(deviation, threads, block.unspliced)
            edges.add(block.spliced, velocity, threads)
            if report is not None:
                report(block.genes.stop / source.n_genes)
    graph, graph_neg = split_signs(edges.values(threads), indptr, indices, order, n_threads=threads)
    stay = self_transition_probability(graph, fit.inputs.cells) if self_transitions else None
    arrows = project_transitions(
        graph, graph_neg, embedding, scale=scale, self_transition=stay, n_threads=threads
    )

    writable(adata)
    _keys.RANDOMIZED.write(adata, arrows, velocity_key, basis)
    entry = {"scale": scale, "self_transitions": self_transitions, "rng": rng}
    note_made(adata, velocity_key, "randomized", entry, under=basis)
