"""The format of scVelo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._fit import Fit
from steadyvelo._arguments import public
from steadyvelo._log import done
from steadyvelo.engine import check_dense_fits, count_threads

from ._handover import (
    Handover,
    add_embeddings,
    add_neighbors,
    dense_layers,
    genes_left_out,
    has_dense_layers,
    normalised,
    use_expression,
)

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["for_scvelo", "to_scvelo"]

# columns of `obs` with scVelo's names
_COLUMNS = {
    "initial_size_spliced": _keys.SPLICED_TOTAL,
    "initial_size_unspliced": _keys.UNSPLICED_TOTAL,
    "root_cells": _keys.ROOT_CELLS,
    "end_points": _keys.END_POINTS,
}
_FACTORS = {_keys.SPLICED.of(): _keys.SPLICED_FACTOR, _keys.UNSPLICED.of(): _keys.UNSPLICED_FACTOR}


@public
def to_scvelo(
    adata: AnnData, *, velocity_key: str = "velocity", n_threads: int | None = None
) -> AnnData:
    r"""Return a copy in the format of scVelo.

    scVelo reads graphs from ``uns``, normalised counts from the layers ``spliced`` and
    ``unspliced``, and the dense layers ``Ms``, ``Mu`` and ``velocity``. Its figures, confidence,
    pseudotime and ranking of genes work on the copy, and so does
    ``scanpy.tl.paga(use_rna_velocity=True)``. Messages report what was changed.

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

    ``X``
        log1p of normalised spliced counts, if X had counts.
    ``layers["spliced"]``, ``layers["unspliced"]``
        Counts divided by their size factors, CSR float32.
    ``layers["Ms"]``, ``layers["Mu"]``, ``layers["velocity"]``
        Computed if they are not stored. Genes without a fit have velocity 0, as in scVelo.
    ``uns["velocity_graph"]``, ``uns["velocity_graph_neg"]``
        Copies of the graphs in ``obsp``.
    ``uns["neighbors"]``, ``obsp["connectivities"]``, ``obsp["distances"]``
        The neighbour graph of the fit, if it has other names.
    ``obsm["X_umap"]``
        The embedding, if it is stored under another name or in columns of ``obs``.
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
    handover = for_scvelo(adata, velocity_key, n_threads)
    for note in handover.notes:
        done(note)
    return handover.adata


def for_scvelo(adata: AnnData, velocity_key: str, n_threads: int | None) -> Handover:
    """Do the work of :func:`to_scvelo`."""
    fit = Fit.read(adata, velocity_key)
    remedy = f"run tl.velocity_graph(adata, velocity_key={velocity_key!r}) first."
    graphs = {
        field.of(velocity_key): field.read(adata, velocity_key, remedy=remedy)
        for field in (_keys.GRAPH, _keys.GRAPH_NEG)
    }
    check_dense_fits(3, adata.shape, None, remedy="select genes first, with adata[:, genes].copy()")
    stored = has_dense_layers(fit)
    layers = {} if stored else dense_layers(fit, count_threads(n_threads))
    velocity = _keys.VELOCITY.of(velocity_key)
    values = np.asarray((adata.layers if stored else layers)[velocity])
    layers[velocity] = np.nan_to_num(values, copy=stored)
    used = dict(zip(_FACTORS, (fit.options.spliced, fit.options.unspliced), strict=True))
    counts = {name: normalised(adata, used[name], _FACTORS[name]) for name in _FACTORS}

    result = adata.copy()
    for name, layer in (layers | counts).items():
        result.layers[name] = layer
    for name, field in _COLUMNS.items():
        if field.is_in(adata, velocity_key):
            result.obs[name] = field.values(adata, velocity_key)
    for name, graph in graphs.items():
        result.uns[name] = sp.csr_matrix(graph)
    notes = [*_on_layers(adata, used), *use_expression(result, fit), *add_neighbors(result, fit)]
    add_embeddings(result)
    notes.append(
        "scVelo reads the velocity graph from uns, which is not subset with the cells; choose "
        "cells before the export"
    )
    return Handover(result, notes + genes_left_out(adata, velocity_key))


def _on_layers(adata: AnnData, used: dict[str, str]) -> list[str]:
    """Say what the layers of counts contain, and which they replace."""
    notes = []
    for name, layer in used.items():
        factor = _FACTORS[name]
        what = f"layer {name!r} has the counts" + (f" of layer {layer!r}" if name != layer else "")
        if factor.is_in(adata):
            notes.append(
                f"{what} divided by size factors, as scVelo expects; multiplied by "
                f"obs[{factor.of()!r}] they are counts again"
            )
        elif name != layer:
            notes.append(what)
        if name in adata.layers and name != layer:
            notes.append(f"the former layer {name!r}, which the fit did not use, is left out")
    return notes
