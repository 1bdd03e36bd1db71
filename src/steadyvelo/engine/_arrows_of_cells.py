"""Arrows of cells and their errors, from sums over all genes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo.model._retest import Retest, retest

from ._group_directions import GroupDirections, group_directions
from ._kernels._mean_contributions import mean_contributions
from ._threads import for_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array, Float64Array

    from ._direction_sums import DirectionProblem, DirectionSums
    from ._fold_graph import FoldGraphs
    from ._order import CellOrder

    # gets arrows, their covariances and their numbers of contributions
    Test: TypeAlias = Callable[[Float64Array, Float64Array, Float64Array], NDArray[Any]]

__all__ = ["Directions", "arrows_of_cells"]

# controls that are computed together, for some rows
_CONTROLS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Directions:
    """Arrows of all cells, and their sums over groups.

    Attributes
    ----------
    arrows
        Mean contributions, shape (cells, dimensions); NaN for a cell without neighbours.
    covariances
        Their covariances: the spread of the contributions, the errors of the lines and the noise
        in M, shape (cells, dimensions, dimensions).
    n_contributions
        Effective number of contributions to each arrow, shape (cells,).
    groups
        Sums of arrows over groups of cells.
    retest
        Statistics of the retest of these sums without a steady state, shape (groups,) each.
    gene_slopes
        Derivatives of the sums of groups by γ of each gene with the opposite sign, shape (groups,
        dimensions, genes).
    gamma_se
        Standard errors of γ, shape (genes,).
    velocities
        Mean u − γs − o of every gene over the cells of a group, from counts that are not smoothed,
        shape (groups, genes).
    controls
        Calls a function with arrows of sign-flipped controls, their covariances and numbers of
        contributions, for some cells at a time and in several threads, and returns its results,
        shape (controls, cells, …). The arrows of all cells in all controls would need many times
        the memory.

    Examples
    --------
    :func:`find_directions` returns them. Here the Wald statistic of an arrow is computed.

    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> groups, genes = engine.GroupDirections(*[np.zeros((0, 2))] * 6), np.zeros((0, 2, 0))
    >>> arrow, covariance, n = np.array([[3.0, 4.0]]), np.eye(2)[None], np.ones(1)
    >>> of_genes = genes, np.zeros(0), np.zeros((0, 0))
    >>> found = engine.Directions(
    ...     arrow, covariance, n, groups, None, *of_genes, lambda test: np.zeros((0, 1))
    ... )
    >>> float(found.arrows[0] @ np.linalg.inv(found.covariances[0]) @ found.arrows[0])
    25.0
    """

    arrows: Float64Array
    covariances: Float64Array
    n_contributions: Float64Array
    groups: GroupDirections
    retest: Retest
    gene_slopes: Float64Array
    gamma_se: Float64Array
    velocities: Float64Array
    controls: Callable[[Test], NDArray[Any]]


def arrows_of_cells(problem: DirectionProblem, sums: DirectionSums, order: CellOrder) -> Directions:
    """Return directions from sums over all genes, in the order of the cells."""
    row, n_threads = order.row_of_cell, problem.n_threads
    n_rows, n_dims = problem.n_rows, problem.n_dims
    graphs = problem.fold_graphs
    means_of = partial(_mean_contributions, graphs, sums.contributions)
    arrows, n_contributions = np.empty((n_rows, n_dims)), np.empty(n_rows)
    covariances = np.empty((n_rows, n_dims, n_dims))
    same = np.ones((n_rows, 1), dtype=np.int8)

    def of_data(start: int, stop: int) -> None:
        (mean,), (spread,), n = means_of(same, start, stop)
        some = slice(start, stop)
        arrows[some], covariances[some], n_contributions[some] = mean, spread, n

    for_rows(of_data, n_rows, n_threads)
    covariances += sums.line_errors
    noise = np.zeros_like(covariances)
    first = problem.projections[: graphs.n_first]
    for projection, chance in zip(first, sums.chance, strict=True):
        along = sums.noise_along[projection.fold_graph.edges]
        projection.add_noise(along, chance, noise, n_threads)
    # Repeats share counts, but their noise is added as if it were independent. Noise in a cell's
    # counts also changes its contribution and M in opposite directions, which is not included.
    noise *= len(problem.projections) / max(len(first), 1)
    noise[np.linalg.eigvalsh(noise)[:, 0] < 0] = 0.0
    covariances += noise
    without = n_contributions == 0
    arrows[without], covariances[without] = np.nan, np.nan

    def controls(test: Test) -> NDArray[Any]:
        n_controls = len(problem.signs)
        if n_controls == 0:
            return np.zeros((0, n_rows), dtype=bool)

        def tested(start: int, stop: int) -> NDArray[Any]:
            return np.concatenate(
                [of_some(first, start, stop) for first in range(0, n_controls, _CONTROLS_AT_ONCE)]
            )

        def of_some(first: int, start: int, stop: int) -> NDArray[Any]:
            some = slice(first, first + _CONTROLS_AT_ONCE)
            mean, spread, n = means_of(signs[:, some], start, stop)
            mean += sums.control_shifts[some, start:stop]
            spread += sums.line_errors[start:stop]
            flat = mean.reshape(-1, n_dims), spread.reshape(-1, n_dims, n_dims)
            found = test(*flat, np.tile(n, len(mean)))
            return found.reshape(len(mean), stop - start, *found.shape[1:])

        signs = np.ascontiguousarray(problem.signs.T)
        return np.concatenate(for_rows(tested, n_rows, n_threads), axis=1)[:, row]

    of_groups = group_directions(problem, sums)
    inside = problem.groups[problem.groups >= 0]
    sizes = np.bincount(inside, minlength=problem.n_groups)
    return Directions(
        arrows[row],
        covariances[row],
        n_contributions[row],
        of_groups,
        retest(sums.retest, of_groups.arrows, sums.abundance),
        sums.group_slopes,
        sums.gamma_se,
        sums.deviations / np.maximum(sizes, 1)[:, None],
        controls,
    )


def _mean_contributions(
    graphs: FoldGraphs,
    contributions: Float32Array,
    signs: NDArray[np.int8],
    start: int,
    stop: int,
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return arrows of some rows, their covariances and numbers of contributions.

    The signs of all cells have the shape (rows, sets). Results have the shapes (sets, rows,
    dimensions), (sets, rows, dimensions, dimensions) and (rows,).
    """
    n_rows, n_dims, n_sets = stop - start, contributions.shape[1], signs.shape[1]
    arrows = np.empty((n_rows, n_dims, n_sets))
    covariances = np.empty((n_rows, n_dims, n_dims, n_sets))
    n = np.empty(n_rows)
    edges = graphs.of_rows(contributions, start, stop)
    mean_contributions(*edges, signs, arrows, covariances, n)
    by_set = [np.ascontiguousarray(np.moveaxis(x, -1, 0)) for x in (arrows, covariances)]
    return by_set[0], by_set[1], n
