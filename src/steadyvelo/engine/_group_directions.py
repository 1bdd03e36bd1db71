"""Sums of arrows over groups of cells, and their tests.

The score φ_c of a cell is what its counts add to the summed arrow of a group: its contributions to
the arrows of the group's cells, minus its influence on them through the lines. Scores of different
cells are independent, so Σ_c φ_c φ_cᵀ is the covariance of the sum. They are made for some rows at
a time, because scores of all groups and cells would need much memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo.model import group_members

from ._threads import in_threads

if TYPE_CHECKING:
    from steadyvelo.model._typing import Float32Array, Float64Array

    from ._direction_sums import DirectionProblem, DirectionSums

__all__ = ["GroupDirections", "contributed_to_groups", "group_directions"]

_ROWS_PER_TASK = 2_048


@dataclass(frozen=True, eq=False)
class GroupDirections:
    """Sums of arrows over groups of cells.

    Attributes
    ----------
    arrows
        Sums of arrows, shape (groups, dimensions).
    covariances
        Their covariances, shape (groups, dimensions, dimensions).
    n
        Effective number of cells whose counts determine them, (Σ‖φ‖²)² / Σ‖φ‖⁴, shape (groups,).
    controls
        Sums of arrows in the sign-flipped controls, shape (controls, groups, dimensions). Their
        covariances and numbers of cells are those of the data.
    gene_contributions
        The part of each gene in the sums of arrows, shape (groups, dimensions, genes).
    by_repeat
        The part of each repeat in the sums of arrows, shape (repeats, groups, dimensions).

    Examples
    --------
    :func:`find_directions` returns them. Here the mean of 10 arrows is computed from their sum.

    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> arrow = np.array([[30.0, 40.0]])
    >>> controls, of_genes = np.zeros((0, 1, 2)), np.zeros((1, 2, 0))
    >>> found = engine.GroupDirections(
    ...     arrow, np.eye(2)[None], np.array([8.0]), controls, of_genes, arrow[None]
    ... )
    >>> (found.arrows / 10).tolist()
    [[3.0, 4.0]]
    """

    arrows: Float64Array
    covariances: Float64Array
    n: Float64Array
    controls: Float64Array
    gene_contributions: Float64Array
    by_repeat: Float64Array


def group_directions(problem: DirectionProblem, sums: DirectionSums) -> GroupDirections:
    """Return the sums of arrows over the groups of a problem."""
    contributed, by_repeat = contributed_to_groups(problem, sums.contributions)
    starts = range(0, problem.n_rows, _ROWS_PER_TASK)
    rows = [slice(start, min(start + _ROWS_PER_TASK, problem.n_rows)) for start in starts]
    work = partial(_of_rows, problem, sums, contributed)
    parts = in_threads([partial(work, some) for some in rows], problem.n_threads)
    # added in the order of the rows, so that results do not depend on the order of threads
    covariances, size, square, controls = (sum(part) for part in zip(*parts, strict=True))
    total = np.asarray(contributed.sum(axis=0), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = size**2 / square
    return GroupDirections(
        total.reshape(problem.n_groups, problem.n_dims),
        covariances,
        n,
        controls,
        sums.group_contributions,
        by_repeat,
    )


def _of_rows(
    problem: DirectionProblem, sums: DirectionSums, contributed: sp.csr_array[Any], rows: slice
) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array]:
    """Return Σφφᵀ, Σ‖φ‖², Σ‖φ‖⁴ and the sums with the signs of the controls, over some rows."""
    scores = contributed[rows].toarray()
    for block in sums.influences:
        scores -= block.of_rows(rows)
    by_group = scores.reshape(len(scores), problem.n_groups, problem.n_dims)
    size = (by_group**2).sum(axis=2)
    covariance = np.einsum("ckd,ckf->kdf", by_group, by_group)
    flipped = problem.signs[:, rows].astype(np.float64) @ scores
    shape = len(problem.signs), problem.n_groups, problem.n_dims
    return covariance, size.sum(axis=0), (size**2).sum(axis=0), flipped.reshape(shape)


def contributed_to_groups(
    problem: DirectionProblem, contributions: Float32Array
) -> tuple[sp.csr_array[Any], Float64Array]:
    """Return what each row, and each repeat, contributes to the sum of every group.

    Shapes are (rows, groups × dimensions) and (repeats, groups, dimensions).
    """
    n_rows, n_dims = problem.n_rows, problem.n_dims
    n_repeats = 1 + max((x.fold_graph.repeat for x in problem.projections), default=-1)
    by_repeat = np.zeros((n_repeats, problem.n_groups, n_dims))
    members = group_members(problem.groups, problem.n_groups, np.float64)
    by_dimension = []
    for d in range(n_dims):
        total = sp.csr_array((problem.n_groups, n_rows))
        for projection in problem.projections:
            graph = projection.fold_graph.neighbors
            degree = np.diff(graph.indptr)
            part = contributions[projection.fold_graph.edges, d] / np.repeat(degree, degree)
            added = sp.csr_array((part, graph.indices, graph.indptr), shape=(n_rows, n_rows))
            of_graph = members @ added
            by_repeat[projection.fold_graph.repeat, :, d] += of_graph.sum(axis=1)
            total = total + of_graph
        by_dimension.append(total)
    # the dimensions of a group follow each other
    stacked = sp.vstack(by_dimension, format="csr")
    order = np.arange(n_dims * problem.n_groups).reshape(n_dims, -1).T.ravel()
    return sp.csr_array(stacked[order].T), by_repeat
