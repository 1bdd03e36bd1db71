"""Arrows on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import warn
from steadyvelo._adata._embeddings import check_finite_embedding, found_basis
from steadyvelo._adata._fingerprints import fingerprints
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo.engine import count_threads

from ._agreement import write_agreement
from ._stored_graph import StoredGraph

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["make_arrows", "velocity_embedding"]


@public
def velocity_embedding(
    adata: AnnData,
    *,
    basis: str = "auto",
    velocity_key: str = "velocity",
    scale: float = 10.0,
    self_transitions: bool = True,
    n_threads: int | None = None,
) -> None:
    r"""Compute the arrow of each cell on an embedding.

    .. math::
        a_i = \sum_j T_{ij} d_{ij} - \bar T_i \sum_j d_{ij},
        \quad d_{ij} = (e_j - e_i) / \lVert e_j - e_i \rVert

    with the signed transition probabilities T of :func:`steadyvelo.tl.transition_matrix` and the
    edges j of cell i. An arrow is a mean of unit displacements. Its length (at most 1, for any
    scale of the embedding) measures the agreement between the edges of a cell, not how fast the
    cell changes.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`, with an embedding.
    basis
        Name of the embedding: ``obsm["X_umap"]`` for ``"umap"``.
    velocity_key
        Prefix of the fit.
    scale, self_transitions
        As in :func:`steadyvelo.tl.transition_matrix`.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    None. Sets:

    ``obsm["velocity_umap"]``
        Arrows, float64, cells × dimensions of the embedding; NaN for cells without edges.
    ``obs["velocity_umap_agreement"]``
        Cosine between this arrow and that of :func:`steadyvelo.tl.direction`, as soon as both are
        computed.
    ``uns["velocity_params"]["embeddings"]``, ``uns["velocity_params"]["arrows"]``
        Names of the embeddings that have arrows, and their parameters.

    Raises
    ------
    KeyError
        If the embedding or the velocity graph is missing.
    ValueError
        If the embedding has values that are not finite, or cells were removed since the graph was
        computed.

    Warns
    -----
    SteadyveloWarning
        If cells have no arrow.

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
    >>> sv.tl.velocity_embedding(adata, basis="pca")
    >>> adata.obsm["velocity_pca"].shape == adata.obsm["X_pca"].shape
    True
    """
    make_arrows(
        Fit.read(adata, velocity_key),
        found_basis(adata, basis, velocity_key),
        count_threads(n_threads),
        scale=scale,
        self_transitions=self_transitions,
    )


def make_arrows(
    fit: Fit, basis: str, n_threads: int, *, scale: float = 10.0, self_transitions: bool = True
) -> None:
    """Do the work of :func:`velocity_embedding`."""
    adata, embedding = fit.adata, check_finite_embedding(fit.adata, basis)
    made = {"scale": scale, "self_transitions": self_transitions}
    arrows = StoredGraph.read(fit).arrows(embedding, n_threads=n_threads, **made)
    without = int(np.isnan(arrows[:, 0]).sum())
    if without:
        warn(f"{without:,} cells have no edges in the velocity graph and get no arrow.")
    on = fingerprints(embedding)
    before = _keys.ARROWS_ON.read(adata, fit.key, basis, default=None)
    if before is not None and not np.array_equal(before, on):
        # the arrows of a control are on the coordinates before
        _keys.RANDOMIZED.drop(adata, fit.key, basis)
    _keys.VELOCITY_EMBEDDING.write(adata, arrows, fit.key, basis)
    _keys.ARROWS_ON.write(adata, on, fit.key, basis)
    note_made(adata, fit.key, "arrows", made, under=basis)
    write_agreement(adata, fit.key, basis)
