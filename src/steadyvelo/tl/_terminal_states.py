"""Cells in which random walks along the velocity graph start and end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from steadyvelo import _keys
from steadyvelo._adata._draws import Names
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo.engine import (
    CellOrder,
    SmoothingOperator,
    count_threads,
    row_products,
    weights_against,
)
from steadyvelo.model import lasting_distributions, share_of_largest

from ._stored_graph import StoredGraph

if TYPE_CHECKING:
    from anndata import AnnData

    from steadyvelo.model._typing import BoolArray, Float64Array

__all__ = ["TerminalScores", "terminal_scores", "terminal_states"]

_FEWEST_CELLS = 20


@public
def terminal_states(
    adata: AnnData,
    *,
    velocity_key: str = "velocity",
    scale: float = 10.0,
    tolerance: float = 1e-3,
    rng: int | np.random.Generator | None = 0,
    n_threads: int | None = None,
) -> None:
    r"""Find root cells and end points of the velocity graph.

    End points are the cells in which random walks with the transition probabilities
    :math:`T_{ij} \propto e^{\lambda c_{ij}}` (without self-transitions) end. Root cells are those
    in which random walks against the arrows end, :math:`B_{ij} \propto e^{\lambda c_{ji}}`, if each
    step is followed by a step to any cell of the neighbourhood, W. Scores are computed from the
    left eigenvectors π of T and of BW whose eigenvalues are within `tolerance` of the largest: each
    is scaled to [0, 1] (1 from its 98th percentile on), and their sum is averaged over each cell
    and its neighbours and scaled again.

    The additional step W is necessary because every cell has neighbours, but some cells are
    neighbours of hardly any other cell. A walk with B alone cannot leave such cells, and they would
    be called roots. A walk against the arrows stops at a cell to which no edge leads; the largest
    eigenvalue is then below 1, and π is the distribution of the walks that have not stopped.

    Every graph has end points and root cells, even if velocities are only noise.
    :func:`steadyvelo.tl.reliability` tests whether the arrows differ from noise.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`.
    velocity_key
        Prefix of the fit.
    scale
        λ of the transition probabilities.
    tolerance
        Largest difference between the largest eigenvalue and the eigenvalues of further regions.
    rng
        Seed of the start vectors of the search for eigenvectors: a whole number, a
        `numpy.random.Generator` that draws one, or None to let the system draw one. The seed is
        recorded.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    None. Sets, for ``velocity_key="velocity"``:

    ``obs["velocity_root_cells"]``, ``obs["velocity_end_points"]``
        Scores in [0, 1]; NaN for cells without edges.
    ``uns["velocity_params"]["terminal_states"]``
        Parameters, and the numbers of root regions and end regions.

    Raises
    ------
    KeyError
        If there is no velocity graph.
    ValueError
        If cells were removed since the graph was computed, fewer than 20 cells have edges, or
        `scale` or `tolerance` is not positive.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.terminal_states(adata)
    >>> float(adata.obs["velocity_root_cells"].max())
    1.0
    """
    graph = StoredGraph.read(Fit.read(adata, velocity_key))
    asked = {"scale": scale, "tolerance": tolerance, "rng": rng}
    scores = terminal_scores(graph, n_threads=count_threads(n_threads), **asked)
    _keys.ROOT_CELLS.write(adata, scores.roots, velocity_key)
    _keys.END_POINTS.write(adata, scores.ends, velocity_key)
    regions = {"root_regions": scores.n_roots, "end_regions": scores.n_ends}
    note_made(adata, velocity_key, "terminal_states", {**asked, **regions})


@dataclass(frozen=True, eq=False)
class TerminalScores:
    """Scores of all cells (NaN without edges), and the numbers of root and end regions."""

    roots: Float64Array
    ends: Float64Array
    n_roots: int
    n_ends: int


def terminal_scores(
    stored: StoredGraph, *, scale: float, tolerance: float = 1e-3, rng: int, n_threads: int
) -> TerminalScores:
    """Return the results of :func:`terminal_states`."""
    fit = stored.fit
    edges = sp.csr_matrix(stored.positive + stored.negative)
    followed = np.bincount(edges.indices, minlength=edges.shape[0]) > 0
    connected = followed | (np.diff(edges.indptr) > 0)
    if connected.sum() < _FEWEST_CELLS:
        msg = (
            f"{int(connected.sum())} cells have edges in the velocity graph, but at least "
            f"{_FEWEST_CELLS} are needed to find roots and ends; rerun pp.neighbors, tl.velocity "
            "and tl.velocity_graph with more cells."
        )
        raise ValueError(msg)
    neighbors = fit.inputs.distances(fit.graph.neighbors_key)
    around = SmoothingOperator.from_connectivities(neighbors).to_matrix()
    order = CellOrder.along(edges.indptr, edges.indices)
    edges = order.permuted(edges)
    # without the step `around`, walks cannot leave cells to which hardly any edge leads
    walk = row_products(around, n_threads).T @ _against(edges, scale, n_threads, order)
    start = Names(fit.inputs.cell_hashes, rng).uniform("start of a walk")
    roots, n_roots = _regions(walk, around, connected, tolerance, start)
    del edges, walk  # each takes as much memory as the graph
    forward = stored.transitions(scale, n_threads, self_transitions=False, order=order)
    walk = row_products(forward, n_threads, order).T
    ends, n_ends = _regions(walk, around, connected, tolerance, start)
    return TerminalScores(roots, ends, n_roots, n_ends)


def _against(
    edges: sp.csr_matrix[Any], scale: float, n_threads: int, order: CellOrder
) -> LinearOperator:
    """Return one step of a walk against the edges; walks stop at cells to which no edge leads."""
    weights = weights_against(edges, scale, n_threads)
    chances = sp.csr_matrix((weights, edges.indices, edges.indptr), shape=edges.shape)
    back = row_products(chances, n_threads, order)
    sums = back.T @ np.ones(edges.shape[0])
    share = np.divide(1.0, sums, where=sums > 0, out=sums)
    return back @ aslinearoperator(sp.diags_array(share))


def _regions(
    walk: LinearOperator,
    around: sp.csr_array[Any],
    connected: BoolArray,
    tolerance: float,
    start: Float64Array,
) -> tuple[Float64Array, int]:
    """Return a score per cell for the end of walks, and the number of regions."""
    vectors, _ = lasting_distributions(walk, start, tolerance=tolerance)
    # smaller values are rounding errors
    low = np.percentile(vectors, 2, axis=0)
    shares = share_of_largest(np.where(vectors < low, 0.0, vectors))
    score = share_of_largest((around @ shares).sum(axis=1))
    return np.where(connected, score, np.nan), vectors.shape[1]
