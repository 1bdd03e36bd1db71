"""The format of scVelo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import check_key
from steadyvelo._adata._fit import Fit
from steadyvelo._arguments import public
from steadyvelo.engine import check_dense_fits, count_threads, genes_per_block

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["to_scvelo"]

# columns of `obs` with scVelo's names
_COLUMNS = {
    "initial_size_spliced": _keys.SPLICED_TOTAL,
    "initial_size_unspliced": _keys.UNSPLICED_TOTAL,
    "root_cells": _keys.ROOT_CELLS,
    "end_points": _keys.END_POINTS,
}


@public
def to_scvelo(
    adata: AnnData, *, velocity_key: str = "velocity", n_threads: int | None = None
) -> AnnData:
    r"""Return a copy in the format of scVelo.

    scVelo reads graphs from ``uns``, normalised counts from the layers ``spliced`` and
    ``unspliced``, and the dense layers ``Ms``, ``Mu`` and ``velocity``. Its stream plots,
    confidence and pseudotime work on the copy.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`, or of :func:`steadyvelo.run`.
    velocity_key
        Prefix of the result, which is called ``vkey`` in scVelo.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    A new AnnData with all fields of `adata` and with

    ``layers["spliced"]``, ``layers["unspliced"]``
        Counts divided by their size factors, CSR float32.
    ``layers["Ms"]``, ``layers["Mu"]``, ``layers["velocity"]``
        Computed if they are not stored. Genes without a fit have velocity 0, as in scVelo.
    ``uns["velocity_graph"]``, ``uns["velocity_graph_neg"]``
        Copies of the graphs in ``obsp``.
    ``obs["initial_size_spliced"]``, ``obs["initial_size_unspliced"]``
        Library sizes over all genes.
    ``obs["root_cells"]``, ``obs["end_points"]``
        Results of :func:`steadyvelo.tl.terminal_states`, if they exist.

    Raises
    ------
    KeyError
        If there is no velocity graph.
    MemoryError
        If the dense layers do not fit into memory.
    ValueError
        If cells, counts, size factors or neighbours have changed since the fit.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=60)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> theirs = sv.interop.to_scvelo(adata)
    >>> "velocity_graph" in theirs.uns
    True
    """
    fit = Fit.read(adata, velocity_key)
    remedy = f"run tl.velocity_graph(adata, velocity_key={velocity_key!r}) first."
    graphs = {
        field.of(velocity_key): field.read(adata, velocity_key, remedy=remedy)
        for field in (_keys.GRAPH, _keys.GRAPH_NEG)
    }
    check_dense_fits(3, adata.shape, None, remedy="select genes first, with adata[:, genes].copy()")
    dense = _dense_layers(fit, count_threads(n_threads))
    spliced, unspliced = fit.options.spliced, fit.options.unspliced
    normalised = {
        "spliced": _normalised(adata, spliced, _keys.SPLICED_FACTOR),
        "unspliced": _normalised(adata, unspliced, _keys.UNSPLICED_FACTOR),
    }

    result = adata.copy()
    for name, layer in (dense | normalised).items():
        result.layers[name] = layer
    for name, field in _COLUMNS.items():
        if field.is_in(adata, velocity_key):
            result.obs[name] = field.values(adata, velocity_key)
    for name, graph in graphs.items():
        result.uns[name] = sp.csr_matrix(graph)
    return result


def _dense_layers(fit: Fit, n_threads: int) -> dict[str, NDArray[np.float32]]:
    """Return Ms, Mu and velocities of the fit, cells × genes."""
    adata, velocity = fit.adata, _keys.VELOCITY.of(fit.key)
    if fit.used_layers and velocity in adata.layers:
        return {velocity: np.nan_to_num(np.asarray(adata.layers[velocity]))}
    names = (_keys.MS.of(), _keys.MU.of(), velocity)
    layers = {name: np.empty(adata.shape, dtype=np.float32) for name in names}
    source, lines = fit.with_lines(np.arange(adata.n_vars))
    for block in source.blocks(genes_per_block(adata.n_obs), n_threads):
        residual = lines.of(block.genes).velocity(block, n_threads)
        for name, values in zip(
            names, (block.spliced, block.unspliced, np.nan_to_num(residual)), strict=True
        ):
            block.write(layers[name], source.genes[block.genes], values)
    return layers


def _normalised(adata: AnnData, layer: str, field: _keys.Field) -> Any:
    """Return counts divided by size factors, CSR float32."""
    counts = sp.csr_matrix(
        check_key(adata, "layers", layer, "restore it, because the fit used it."), dtype=np.float32
    )
    if not field.is_in(adata):
        return counts
    factor = field.read(adata).to_numpy(dtype=np.float64)
    scale = 1.0 / np.where(factor > 0, factor, 1.0)
    return sp.csr_matrix(sp.diags_array(scale) @ counts, dtype=np.float32)
