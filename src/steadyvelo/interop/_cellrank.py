"""The format of CellRank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._fit import Fit
from steadyvelo._arguments import public
from steadyvelo._log import done
from steadyvelo.engine import check_dense_fits, count_threads
from steadyvelo.tl import transition_matrix

from ._handover import (
    Handover,
    add_embeddings,
    add_neighbors,
    dense_layers,
    genes_left_out,
    has_dense_layers,
    use_expression,
)

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["for_cellrank", "to_cellrank"]

_TOLERANCE = 1e-4


@public
def to_cellrank(
    adata: AnnData, *, velocity_key: str = "velocity", n_threads: int | None = None
) -> AnnData:
    """Return a copy in the format of CellRank.

    ``VelocityKernel(adata)`` reads the layers ``Ms`` and ``velocity``, the velocity genes and the
    neighbour graph; ``PrecomputedKernel("velocity_transitions", adata)`` reads the transition
    matrix; ``PseudotimeKernel(adata, time_key="velocity_pseudotime")`` reads the result of
    :func:`steadyvelo.tl.velocity_pseudotime`. Messages report what was changed.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`, or of :func:`steadyvelo.run`.
    velocity_key
        Prefix of the result, which is called ``vkey`` in CellRank.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    A new AnnData with all fields of `adata` and with

    ``X``
        log1p of normalised spliced counts, if X had counts. CellRank's driver genes use it.
    ``layers["Ms"]``, ``layers["Mu"]``, ``layers["velocity"]``
        Computed if they are not stored.
    ``obsp["velocity_transitions"]``
        Transition probabilities by :func:`steadyvelo.tl.transition_matrix`, if those of
        steps forward are not stored.
    ``uns["neighbors"]``, ``obsp["connectivities"]``, ``obsp["distances"]``
        The neighbour graph of the fit, if it has other names.
    ``obsm["X_umap"]``
        The embedding, if it is stored under another name or in columns of ``obs``.

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
    Lange et al. (2022), https://doi.org/10.1038/s41592-021-01346-6.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=60)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> theirs = sv.interop.to_cellrank(adata)
    >>> theirs.obsp["velocity_transitions"].shape
    (200, 200)
    """
    handover = for_cellrank(adata, velocity_key, n_threads)
    for note in handover.notes:
        done(note)
    return handover.adata


def for_cellrank(adata: AnnData, velocity_key: str, n_threads: int | None) -> Handover:
    """Do the work of :func:`to_cellrank`."""
    fit = Fit.read(adata, velocity_key)
    remedy = f"run tl.velocity_graph(adata, velocity_key={velocity_key!r}) first."
    _keys.GRAPH.read(adata, velocity_key, remedy=remedy)
    layers = {}
    if not has_dense_layers(fit):
        remedy = "select genes first, with adata[:, genes].copy()"
        check_dense_fits(3, adata.shape, None, remedy=remedy)
        layers = dense_layers(fit, count_threads(n_threads))

    result = adata.copy()
    for name, layer in layers.items():
        result.layers[name] = layer
    transitions = _keys.TRANSITIONS.of(velocity_key)
    stored, notes = _keys.TRANSITIONS.read(adata, velocity_key, default=None), []
    made = fit.params.made.get("transitions", {}).get(transitions, {})
    if stored is None or made.get("backward", False) or not _are_probabilities(stored):
        _keys.TRANSITIONS.drop(result, velocity_key)
        transition_matrix(result, velocity_key=velocity_key, n_threads=n_threads)
        was = "" if stored is None else "; those that were stored are not of steps forward"
        notes.append(f"obsp[{transitions!r}] has the transition matrix, for PrecomputedKernel{was}")
    notes += [*use_expression(result, fit), *add_neighbors(result, fit)]
    add_embeddings(result)
    pseudotime = _keys.PSEUDOTIME.read(adata, velocity_key, default=None)
    n_without = 0 if pseudotime is None else int(pseudotime.isna().sum())
    if n_without:
        notes.append(
            f"obs[{_keys.PSEUDOTIME.of(velocity_key)!r}] has no value in {n_without:,} cells; "
            "PseudotimeKernel refuses such cells, so choose the others before"
        )
    return Handover(result, notes + genes_left_out(adata, velocity_key))


def _are_probabilities(matrix: Any) -> bool:
    """Tell whether the values of every row are not negative and sum to 1."""
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    return bool(matrix.min() >= 0 and np.abs(sums - 1).max() < _TOLERANCE)
