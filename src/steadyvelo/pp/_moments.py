"""First moments: means over each cell and its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo._adata._checks import check_adata, writable
from steadyvelo._adata._inputs import Inputs
from steadyvelo._adata._moments import counts_source, smoothing_record, write_moments
from steadyvelo._arguments import public
from steadyvelo.engine import check_dense_fits, count_threads, genes_per_block

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["moments"]


@public
def moments(
    adata: AnnData,
    *,
    spliced: str = "spliced",
    unspliced: str = "unspliced",
    neighbors_key: str | None = None,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
) -> None:
    r"""Smooth normalised counts over neighbours and store them as dense layers.

    .. math:: M_s = W F_s^{-1} S, \qquad M_u = W F_u^{-1} U

    W is the neighbour graph plus the identity, with rows divided by their sums; every stored
    connectivity counts as 1. F are the size factors. These layers are optional: without them,
    :func:`steadyvelo.tl.velocity` smooths counts when they are needed.

    Parameters
    ----------
    adata
        Cells × genes with counts, size factors and neighbours.
    spliced, unspliced
        Names of the layers.
    neighbors_key
        Name of the neighbour graph in ``uns``; None means scanpy's default.
    max_memory
        Memory for the layers and for temporary arrays, in bytes or as ``"8GB"``; None means
        ``settings.max_memory``, or the available memory.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    None. Sets:

    ``layers["Ms"]``, ``layers["Mu"]``
        Smoothed abundances, float32, cells × genes.
    ``uns["moments_params"]`` and two columns of checksums in ``var``
        Record of the counts, size factors and neighbours, by which later changes are detected.

    Raises
    ------
    KeyError
        If counts, size factors or neighbours are missing.
    MemoryError
        If the layers do not fit into memory.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=60, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=10, n_pcs=5)
    >>> sv.pp.moments(adata)
    >>> adata.layers["Ms"].shape
    (60, 40)
    """
    check_adata(adata)
    threads = count_threads(n_threads)
    check_dense_fits(
        2,
        adata.shape,
        max_memory,
        remedy="do without pp.moments: tl.velocity(dense=False) needs no layers",
    )
    inputs = Inputs(adata)
    source = counts_source(
        inputs,
        np.arange(adata.n_vars),
        spliced=spliced,
        unspliced=unspliced,
        neighbors_key=neighbors_key,
        in_float32=True,
    )
    smoothed_s, smoothed_u = np.empty((2, *adata.shape), dtype=np.float32)
    for block in source.blocks(genes_per_block(adata.n_obs, max_memory), threads):
        genes = source.genes[block.genes]
        block.write(smoothed_s, genes, block.spliced, threads)
        block.write(smoothed_u, genes, block.unspliced, threads)
    record = smoothing_record(inputs, spliced, unspliced, neighbors_key)
    writable(adata)
    write_moments(adata, smoothed_s, smoothed_u, record)
