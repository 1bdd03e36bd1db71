"""Cells in which random walks along the velocity graph start and end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import warn
from steadyvelo._adata._draws import Names
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo.engine import (
    connected_parts,
    count_threads,
    row_products,
    steps_against,
    steps_along,
)
from steadyvelo.model import CoarseWalk, lasting_distributions, share_of_largest

from ._stored_graph import GraphPart, StoredGraph

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy.sparse.linalg import LinearOperator

    from steadyvelo.engine import CellGroups
    from steadyvelo.model._typing import BoolArray, Float64Array

__all__ = ["TerminalScores", "terminal_scores", "terminal_states"]

_FEWEST_CELLS = 20
# after these steps, walks in a group are divided among its cells much as after many
_STEPS_OF_SHARES = 5


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
    left eigenvectors π of T and of BW whose eigenvalues are within `tolerance` of the largest. Each
    is scaled to [0, 1]: 1 from its 98th percentile on or, if fewer cells have almost all of it,
    from the median of these. Their sum is averaged over each cell and its neighbours and scaled
    again. Walks do not leave a connected part of the graph, so each part has root cells and end
    points of its own.

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
        Largest difference between the largest eigenvalue of a connected part and the eigenvalues of
        further regions.
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
        Scores in [0, 1]; NaN for cells without edges, and in connected parts of the graph in which
        fewer than 20 cells have edges.
    ``uns["velocity_params"]["terminal_states"]``
        Parameters, and the numbers of root regions and end regions.

    Raises
    ------
    KeyError
        If there is no velocity graph.
    ValueError
        If cells were removed since the graph was computed, no 20 cells with edges are connected, or
        `scale` or `tolerance` is not positive.

    Warns
    -----
    SteadyveloWarning
        If some cells with edges get no scores.

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
    if scores.n_left_out:
        warn(
            f"{scores.n_left_out:,} cells get no scores, because their connected part of the "
            f"velocity graph has fewer than {_FEWEST_CELLS} cells with edges."
        )


@dataclass(frozen=True, eq=False)
class TerminalScores:
    """Scores of all cells (NaN without), the numbers of root and end regions, and of small parts.

    `n_left_out` is the number of cells with edges in connected parts that are too small.
    """

    roots: Float64Array
    ends: Float64Array
    n_roots: int
    n_ends: int
    n_left_out: int


def terminal_scores(
    stored: StoredGraph,
    *,
    scale: float,
    tolerance: float = 1e-3,
    rng: int,
    n_threads: int,
    among: BoolArray | None = None,
) -> TerminalScores:
    """Return the results of :func:`terminal_states`, of walks that stay `among` some cells.

    Other cells have no scores; None means all cells.
    """
    fit = stored.fit
    n_cells = fit.adata.n_obs
    inside = np.ones(n_cells, dtype=bool) if among is None else among
    graphs = stored.within(inside)
    connected = np.zeros(n_cells, dtype=bool)
    connected[inside] = _with_edges(graphs)
    parts = np.full(n_cells, -1)
    parts[inside] = connected_parts(stored.neighbors(inside), *graphs)
    sizes = np.bincount(parts[inside], weights=connected[inside]).astype(np.int64)
    if sizes.max() < _FEWEST_CELLS:
        msg = (
            f"{int(connected.sum())} cells have edges in the velocity graph, but at least "
            f"{_FEWEST_CELLS} that are connected are needed to find roots and ends; rerun "
            "pp.neighbors, tl.velocity and tl.velocity_graph with more cells."
        )
        raise ValueError(msg)
    scores = {name: np.full(n_cells, np.nan) for name in ("roots", "ends")}
    numbers = dict.fromkeys(scores, 0)
    # walks do not leave a part, so each has roots and ends of its own
    for part in np.flatnonzero(sizes >= _FEWEST_CELLS):
        walks = _Walks(stored.part(parts == part, n_threads), scale, n_threads)
        cells = walks.part.cells
        names = Names(fit.inputs.cell_hashes[cells], rng)
        for name, (step, coarse) in (("roots", walks.against()), ("ends", walks.along())):
            score, number = _regions(step, coarse, walks.part.neighbors, tolerance, names)
            scores[name][cells] = np.where(connected[cells], score, np.nan)
            numbers[name] += number
    left_out = int(sizes[sizes < _FEWEST_CELLS].sum())
    roots, ends = scores["roots"], scores["ends"]
    return TerminalScores(roots, ends, numbers["roots"], numbers["ends"], left_out)


@dataclass(frozen=True, eq=False)
class _Walks:
    """Random walks on a connected part of the graph."""

    part: GraphPart
    scale: float
    n_threads: int

    def along(self) -> tuple[LinearOperator, CoarseWalk | None]:
        """Return one step along the edges, for cells and for groups of cells."""
        step, groups = steps_along(self.part.turned, self.scale, self.n_threads), self.part.groups
        if groups is None:
            return step, None
        shares = _shares(step, groups)
        return step, CoarseWalk(groups.group_of, shares, step.between(groups, shares))

    def against(self) -> tuple[LinearOperator, CoarseWalk | None]:
        """Return one step against the edges, and one to any cell of the neighbourhood.

        Without the second step, walks cannot leave cells to which hardly any edge leads.
        """
        back = steps_against(*self.part.graphs, self.scale, self.n_threads)
        around, groups = self.part.neighbors, self.part.groups
        step = row_products(sp.csr_array(around.T), n_threads=self.n_threads) @ back
        if groups is None:
            return step, None
        shares = _shares(step, groups)
        ones = np.ones(len(shares))
        # the second step begins with the shares that a group has after the first one
        after = groups.shares(back @ shares)
        small = groups.sums(around, after, ones, self.n_threads).T @ back.between(groups, shares)
        return step, CoarseWalk(groups.group_of, shares, small)


def _shares(step: LinearOperator, groups: CellGroups) -> Float64Array:
    """Return how walks are divided among the cells of each group after some steps."""
    walks = np.ones(step.shape[0])
    for _ in range(_STEPS_OF_SHARES):
        walks = step @ walks
    return groups.shares(walks)


def _with_edges(graphs: tuple[sp.csr_matrix[Any], sp.csr_matrix[Any]]) -> BoolArray:
    """Return which cells have edges."""
    n_cells = graphs[0].shape[0]
    found: BoolArray = np.zeros(n_cells, dtype=bool)
    for graph in graphs:
        found |= np.diff(graph.indptr) > 0
    for graph in graphs:
        if not found.all():
            found[graph.indices] = True
    return found


def _regions(
    walk: LinearOperator,
    coarse: CoarseWalk | None,
    around: sp.csr_array[Any],
    tolerance: float,
    names: Names,
) -> tuple[Float64Array, int]:
    """Return a score per cell for the end of walks, and the number of regions."""
    vectors, _ = lasting_distributions(
        walk,
        lambda number: names.uniform(f"start {number} of a walk"),
        tolerance=tolerance,
        coarse=coarse,
    )
    # smaller values are rounding errors
    low = np.percentile(vectors, 2, axis=0)
    shares = share_of_largest(np.where(vectors < low, 0.0, vectors))
    score = share_of_largest((around @ shares).sum(axis=1))
    return score, vectors.shape[1]
