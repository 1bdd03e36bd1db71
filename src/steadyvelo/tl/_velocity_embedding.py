"""Arrows on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import warn
from steadyvelo._adata._coordinates import basis_name
from steadyvelo._adata._embeddings import check_finite_embedding, found_basis
from steadyvelo._adata._fingerprints import fingerprints
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._adata._groups import is_auto
from steadyvelo._arguments import public
from steadyvelo.engine import count_threads

from ._agreement import write_agreement
from ._component_arrows import PCA, PROJECTION, TRANSITIONS, Loadings, drawn_by
from ._fidelity import write_fidelity
from ._limits import Limits
from ._stored_graph import StoredGraph

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine._progress import ShowProgress

__all__ = ["make_arrows", "velocity_embedding"]

_SCALE = 10.0


@public
def velocity_embedding(
    adata: AnnData,
    *,
    basis: str = "auto",
    velocity_key: str = "velocity",
    method: Literal["transitions", "projection"] = "transitions",
    scale: float = _SCALE,
    self_transitions: bool = True,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Compute the arrow of each cell on an embedding.

    .. math::
        a_i = \sum_j T_{ij} d_{ij} - \bar T_i \sum_j d_{ij},
        \quad d_{ij} = (e_j - e_i) / \lVert e_j - e_i \rVert

    with the signed transition probabilities T of :func:`steadyvelo.tl.transition_matrix` and the
    edges j of cell i. An arrow is a mean of unit displacements. Its length (at most 1, for any
    scale of the embedding) measures the agreement between the edges of a cell, not how fast the
    cell changes.

    On principal components, the velocity itself can be projected (``method="projection"``), without
    the velocity graph. Components are sums over genes of their loadings w multiplied by log(1 + x),
    where x are smoothed spliced abundances. By the chain rule they change by

    .. math:: a_{ik} = \sum_g \frac{v_{ig}}{1 + x_{ig}} w_{gk}

    over the velocity genes g. These arrows have a length: the change of the components per splicing
    time. They are not limited to directions in which other cells lie.

    The fidelity of an arrow says how well the picture shows the velocity graph. It is the
    correlation, over the edges of the cell, of the weights c of the edges with the cosines between
    arrow and displacement in the first two dimensions. If the weights of n edges are permuted, its
    mean is 0 and its variance 1 / (n − 1); but an arrow is computed from the weights of its edges,
    so without any structure the fidelity is still about one standard deviation, and above 2.45 of
    them in at most about 5 % of the cells. ``docs/figures.md`` evaluates it.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`, with an embedding.
    basis
        Name of the embedding: ``obsm["X_umap"]`` for ``"umap"``.
    velocity_key
        Prefix of the fit.
    method
        ``"transitions"`` for mean steps under transition probabilities, or ``"projection"``, which
        needs ``basis="pca"`` (or ``"auto"``) and the loadings that :func:`steadyvelo.pp.neighbors`
        writes.
    scale, self_transitions
        As in :func:`steadyvelo.tl.transition_matrix`, for transitions.
    max_memory
        Memory for gene blocks of a projection, in bytes or as ``"8GB"``; None means
        ``settings.max_memory``, or a quarter of the available memory, at most the larger of 1.5 GB
        and 2,400 bytes for each cell.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar for a projection, None follows ``settings.progress``; a function is called
        with the share of the work that is done, in (0, 1].

    Returns
    -------
    None. Sets:

    ``obsm["velocity_umap"]``
        Arrows, float64, cells × dimensions of the embedding; NaN for cells without edges (in a
        projection: for cells that are not used).
    ``obs["velocity_umap_fidelity"]``, ``obs["velocity_umap_fidelity_z"]``
        Fidelity of every arrow, in [−1, 1], and the same multiplied by √(n − 1); NaN for cells with
        fewer than three edges. A projection has it if there is a velocity graph.
    ``obs["velocity_umap_agreement"]``
        Cosine between this arrow and that of :func:`steadyvelo.tl.direction`, as soon as both are
        computed. It is not computed for a graph of a gene programme.
    ``uns["velocity_params"]["embeddings"]``, ``uns["velocity_params"]["arrows"]``
        Names of the embeddings that have arrows, and their parameters.

    Raises
    ------
    KeyError
        If the embedding or the velocity graph is missing.
    ValueError
        If the embedding has values that are not finite, or cells were removed since the graph was
        computed. For a projection, if `basis` is not the principal components, if their loadings
        are missing or belong to other genes, if `scale` or `self_transitions` is given, or if
        counts or neighbours have changed since the fit.

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
    >>> bool(adata.obs["velocity_pca_fidelity"].median() > 0.3)
    True
    >>> sv.tl.velocity_embedding(adata, basis="pca", method="projection")
    >>> adata.uns["velocity_params"]["arrows"]["pca"]["method"]
    'projection'
    """
    fit = Fit.read(adata, velocity_key)
    if method == PROJECTION:
        _check_projection(adata, basis, scale, self_transitions=self_transitions)
        with Limits.of_call("projection", max_memory, n_threads, progress) as limits:
            _project(fit, limits)
        return
    make_arrows(
        fit,
        found_basis(adata, basis, velocity_key),
        count_threads(n_threads),
        scale=scale,
        self_transitions=self_transitions,
    )


def make_arrows(
    fit: Fit, basis: str, n_threads: int, *, scale: float = _SCALE, self_transitions: bool = True
) -> None:
    """Do the work of :func:`velocity_embedding` for transitions."""
    embedding = check_finite_embedding(fit.adata, basis)
    made = {"scale": scale, "self_transitions": self_transitions}
    graph = StoredGraph.read(fit)
    arrows = graph.arrows(embedding, n_threads=n_threads, **made)
    without = int(np.isnan(arrows[:, 0]).sum())
    if without:
        warn(f"{without:,} cells have no edges in the velocity graph and get no arrow.")
    _store(fit, basis, embedding, arrows, {"method": TRANSITIONS, **made})
    write_fidelity(graph, basis, embedding, arrows, n_threads)


def _check_projection(adata: AnnData, basis: str, scale: float, *, self_transitions: bool) -> None:
    """Refuse another embedding than principal components, and options of transitions."""
    if not is_auto(basis, adata.obsm) and basis_name(basis) != PCA:
        msg = (
            f"method='projection' needs basis='pca', because only principal components have "
            f"loadings of genes; basis is {basis!r}. Use method='transitions' for it."
        )
        raise ValueError(msg)
    if scale != _SCALE or not self_transitions:
        msg = (
            "scale and self_transitions are options of transition probabilities, which "
            "method='projection' does not use; leave them out."
        )
        raise ValueError(msg)


def _project(fit: Fit, limits: Limits) -> None:
    """Write the arrows of velocities that are projected on principal components."""
    loadings = Loadings.of(fit)
    arrows = loadings.arrows(fit, limits)
    made = {"method": PROJECTION, "loadings_share": loadings.share}
    _store(fit, PCA, loadings.embedding, arrows, made)
    if _keys.GRAPH.is_in(fit.adata, fit.key):
        graph = StoredGraph.read(fit)
        write_fidelity(graph, PCA, loadings.embedding, arrows, limits.n_threads)


def _store(
    fit: Fit,
    basis: str,
    embedding: NDArray[np.float64],
    arrows: NDArray[np.float64],
    made: dict[str, Any],
) -> None:
    """Write arrows, and remove what belongs to those before."""
    adata, key, on = fit.adata, fit.key, fingerprints(embedding)
    before = _keys.ARROWS_ON.read(adata, key, basis, default=None)
    moved = before is not None and not np.array_equal(before, on)
    if moved or drawn_by(fit, basis) != made["method"]:
        # the controls are those of other coordinates or of arrows of another method
        _keys.RANDOMIZED.drop(adata, key, basis)
    for field in (_keys.FIDELITY, _keys.FIDELITY_Z):
        field.drop(adata, key, basis)
    _keys.VELOCITY_EMBEDDING.write(adata, arrows, key, basis)
    _keys.ARROWS_ON.write(adata, on, key, basis)
    note_made(adata, key, "arrows", made, under=basis)
    write_agreement(adata, key, basis)
