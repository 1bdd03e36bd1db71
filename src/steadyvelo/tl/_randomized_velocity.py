"""Arrows of sign-flipped controls, to compare with the arrows of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._draws import Names
from steadyvelo._adata._embeddings import check_finite_embedding, found_basis
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo.engine import BYTES_PER_VALUE

from ._component_arrows import PROJECTION, Loadings, drawn_by
from ._limits import Limits
from ._stored_graph import StoredGraph
from ._velocity_graph import correlated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import CountsSource
    from steadyvelo.engine._progress import ShowProgress

__all__ = ["control_graphs", "randomized_velocity"]

# returns the arrows of a control from the signs of its cells
Draw: TypeAlias = "Callable[[NDArray[np.float32], int, Limits], NDArray[np.float64]]"


@public
def randomized_velocity(
    adata: AnnData,
    *,
    basis: str = "auto",
    velocity_key: str = "velocity",
    n_controls: int = 4,
    scale: float = 10.0,
    self_transitions: bool = True,
    rng: int | np.random.Generator | None = 0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Compute the arrows of sign-flipped controls.

    In each control, the deviations of each cell from the fitted lines are multiplied, before
    smoothing, by one random sign for all genes,

    .. math:: v^* = W \bigl(\varepsilon \circ (\tilde u - \gamma \tilde s - o)\bigr),
        \qquad \varepsilon_i = \pm 1

    The deviations are then as large, as correlated between genes and as smooth between neighbours
    as those of the data, but cells share no direction. The velocity graph and the arrows are
    computed as for the data, for one control after the other. If the arrows of the data are a
    projection on principal components, so are those of the controls. Any order in a picture of
    these arrows is an effect of smoothing and projection. One control can agree with the data by
    chance, so several are computed; :func:`steadyvelo.get.control_agreement` tells how much they
    agree.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`, or of a projection by
        :func:`steadyvelo.tl.velocity_embedding`, with counts.
    basis
        Name of the embedding: ``obsm["X_umap"]`` for ``"umap"``.
    velocity_key
        Prefix of the fit.
    n_controls
        Number of controls, at least 1.
    scale, self_transitions
        As in :func:`steadyvelo.tl.velocity_embedding`, for transitions.
    rng
        Seed of the random signs: a whole number, a `numpy.random.Generator` that draws one, or None
        to let the system draw one. The seed is recorded. The signs of a cell depend on its name,
        not on the order of cells. With the seed of :func:`steadyvelo.tl.direction`, the controls
        are the first of those in which it tested directions.
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
    None. Sets:

    ``obsm["velocity_randomized_umap"]``
        Arrows, float64, cells × controls × dimensions of the embedding; NaN for cells without
        edges.
    ``uns["velocity_params"]["randomized"]``
        Parameters for each embedding.

    Raises
    ------
    KeyError
        If the embedding or the velocity graph is missing.
    ValueError
        If `n_controls` is 0, the counts of the fit are missing, or cells, counts or neighbours have
        changed since the fit.

    References
    ----------
    ``docs/uncertainty.md`` uses such controls to test directions.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.randomized_velocity(adata, basis="pca")
    >>> adata.obsm["velocity_randomized_pca"].shape
    (300, 4, 30)
    """
    if n_controls == 0:
        msg = "n_controls is 0, but at least one control is needed; use n_controls=4."
        raise ValueError(msg)
    basis = found_basis(adata, basis, velocity_key)
    fit = Fit.read(adata, velocity_key, then=("tl.velocity_graph",))
    made: dict[str, Any] = {"method": drawn_by(fit, basis)}
    if made["method"] == PROJECTION:
        draw = _projected(fit)
    else:
        options = {"scale": scale, "self_transitions": self_transitions}
        made, draw = made | options, _by_transitions(fit, basis, options)
    signs = Names(fit.inputs.cell_hashes, rng).signs("sign-flipped control", n_controls)
    with Limits.of_call("sign-flipped controls", max_memory, n_threads, progress) as limits:
        # counts and moments of a block are in memory at the same time
        size = limits.genes_per_block(adata.n_obs, 2 * BYTES_PER_VALUE)
        controls = [
            draw(of_cells, size, limits.part(number / n_controls, (number + 1) / n_controls))
            for number, of_cells in enumerate(signs.astype(np.float32))
        ]
    _keys.RANDOMIZED.write(adata, np.stack(controls, axis=1), velocity_key, basis)
    note_made(adata, velocity_key, "randomized", {**made, "rng": rng}, under=basis)


def _by_transitions(fit: Fit, basis: str, options: dict[str, Any]) -> Draw:
    """Return a function that draws a control from its velocity graph."""
    embedding = check_finite_embedding(fit.adata, basis)
    StoredGraph.read(fit)
    source = fit.counts(fit.genes_of_graph)
    direct = fit.inputs.direct_neighbors(fit.graph.neighbors_key)

    def draw(signs: NDArray[np.float32], size: int, limits: Limits) -> NDArray[np.float64]:
        # the graph of a control is large, so there is only one at a time
        graph = _control_graph(fit, source, direct, signs, size, limits)
        return graph.arrows(embedding, n_threads=limits.n_threads, **options)

    return draw


def _projected(fit: Fit) -> Draw:
    """Return a function that projects a control on principal components."""
    loadings = Loadings.of(fit)
    source = fit.counts(loadings.genes)

    def draw(signs: NDArray[np.float32], size: int, limits: Limits) -> NDArray[np.float64]:
        blocks = _sign_flipped(fit, source, signs, size, limits)
        used = fit.inputs.cells
        return loadings.project(blocks, source.order.row_of_cell, used, limits.n_threads)

    return draw


def control_graphs(fit: Fit, signs: NDArray[np.int8], limits: Limits) -> Iterator[StoredGraph]:
    """Yield the velocity graph of each sign-flipped control, with signs of shape (controls, cells).

    A graph is large, so the caller should not keep it, not even in a loop over the graphs, while
    the next one is computed.
    """
    source = fit.counts(fit.genes_of_graph)
    direct = fit.inputs.direct_neighbors(fit.graph.neighbors_key)
    # counts and moments of a block are in memory at the same time
    size = limits.genes_per_block(fit.adata.n_obs, 2 * BYTES_PER_VALUE)
    for number, of_cells in enumerate(signs.astype(np.float32)):
        part = limits.part(number / len(signs), (number + 1) / len(signs))
        yield _control_graph(fit, source, direct, of_cells, size, part)


def _control_graph(
    fit: Fit,
    source: CountsSource,
    direct: tuple[NDArray[np.int64], NDArray[np.int32]],
    signs: NDArray[np.float32],
    size: int,
    limits: Limits,
) -> StoredGraph:
    def blocks(
        start: float, stop: float
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        return _sign_flipped(fit, source, signs, size, limits.part(start, stop))

    return correlated(fit, fit.graph, blocks, direct, source.order, size, limits)


def _sign_flipped(
    fit: Fit, source: CountsSource, signs: NDArray[np.float32], size: int, limits: Limits
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield expression and sign-flipped velocities of blocks of genes, with one sign per cell."""
    lines = fit.lines(source)
    for block in source.blocks(size, limits.n_threads):
        unspliced = block.kept_counts[1]
        deviation = lines.of(block.genes).deviation(block, limits.n_threads, unspliced)
        deviation *= signs[source.order.cell_of_row, None]
        yield block.spliced, source.smoothing.apply(deviation, limits.n_threads, block.unspliced)
        limits.tell((int(block.genes[-1]) + 1) / source.n_genes)
