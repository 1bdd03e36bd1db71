"""Arrows of cells and their errors, from sums over all genes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ._group_directions import GroupDirections, group_directions
from ._kernels._mean_contributions import mean_contributions
from ._threads import for_rows, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array, Float64Array

    from ._direction_sums import DirectionProblem, DirectionSums
    from ._fold_graph import FoldGraphs
    from ._order import CellOrder

__all__ = ["Directions", "arrows_of_cells"]

# controls that are computed together
_CONTROLS_AT_ONCE = 10


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
    gene_contributions, gene_slopes
        Contributions of the genes to the sums of groups, and their derivatives by γ of each gene
        with the opposite sign, shape (groups, dimensions, genes).
    gamma_se
        Standard errors of γ, shape (genes,).
    controls
        Calls a function with the arrows and covariances of each sign-flipped control, in threads,
        and returns its results. All controls at once would need many times the memory.

    Examples
    --------
    :func:`find_directions` returns them. Here the Wald statistic of an arrow is computed.

    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> groups, genes = engine.GroupDirections(*[np.zeros((0, 2))] * 4), np.zeros((0, 2, 0))
    >>> arrow, covariance, n = np.array([[3.0, 4.0]]), np.eye(2)[None], np.ones(1)
    >>> found = engine.Directions(
    ...     arrow, covariance, n, groups, genes, genes, np.zeros(0), lambda test: []
    ... )
    >>> float(found.arrows[0] @ np.linalg.inv(found.covariances[0]) @ found.arrows[0])
    25.0
    """

    arrows: Float64Array
    covariances: Float64Array
    n_contributions: Float64Array
    groups: GroupDirections
    gene_contributions: Float64Array
    gene_slopes: Float64Array
    gamma_se: Float64Array
    controls: Callable[[Callable[[Float64Array, Float64Array], Any]], list[Any]]


def arrows_of_cells(problem: DirectionProblem, sums: DirectionSums, order: CellOrder) -> Directions:
    """Return directions from sums over all genes, in the order of the cells."""
    row, n_threads = order.row_of_cell, problem.n_threads
    graphs = problem.fold_graphs
    mean_of = partial(_mean_contributions, graphs, sums.contributions, n_threads)
    (arrows,), (covariances,), n_contributions = mean_of(np.ones((1, len(row)), dtype=np.int8))
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

    def controls(test: Callable[[Float64Array, Float64Array], Any]) -> list[Any]:
        results = []
        for first in range(0, len(problem.signs), _CONTROLS_AT_ONCE):
            some = slice(first, first + _CONTROLS_AT_ONCE)
            turned, spread, _ = mean_of(problem.signs[some])

            def tested(arrow: Any, covariance: Any, shift: Any) -> Any:
                return test((arrow + shift)[row], (covariance + sums.line_errors)[row])

            of_each = zip(turned, spread, sums.control_shifts[some], strict=True)
            results += in_threads([partial(tested, *control) for control in of_each], n_threads)
        return results

    return Directions(
        arrows[row],
        covariances[row],
        n_contributions[row],
        group_directions(problem, sums),
        sums.group_contributions,
        sums.group_slopes,
        sums.gamma_se,
        controls,
    )


def _mean_contributions(
    graphs: FoldGraphs,
    contributions: Float32Array,
    n_threads: int,
    signs: NDArray[np.int8],
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return arrows, their covariances and numbers of contributions, for sets of signs of cells."""
    (n_sets, n_rows), n_dims = signs.shape, contributions.shape[1]
    arrows = np.empty((n_rows, n_dims, n_sets))
    covariances = np.empty((n_rows, n_dims, n_dims, n_sets))
    n = np.empty(n_rows)
    turned = np.ascontiguousarray(signs.T, dtype=np.float64)

    def work(start: int, stop: int) -> None:
        edges = graphs.of_rows(contributions, start, stop)
        some = slice(start, stop)
        mean_contributions(*edges, turned, arrows[some], covariances[some], n[some])

    for_rows(work, n_rows, n_threads)
    return np.moveaxis(arrows, 2, 0), np.moveaxis(covariances, 3, 0), n
