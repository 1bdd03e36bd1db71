"""Contributions of the genes of a block to the arrows of all cells.

The deviation of a cell's counts from the fitted lines, r_c = ũ_c − γ s̃_c − o, is a noisy estimate
of the velocity of each cell i that has c as a neighbour. The projection M_i maps it to the
embedding. This gives the contribution y_ic = M_i r_c of cell c to the arrow of cell i, and the
arrow is the mean of the contributions of the neighbours. Because M_i r_c = Σ_g M_ig r_cg,
contributions are sums over genes. Their errors are computed from sums over genes, too:

- the variance of y_ic over the neighbours gives the error of the mean that is due to the counts;
- the errors of the lines add Σ_g D_g D_gᵀ σ_γ² + (H_g D_gᵀ + D_g H_gᵀ) σ_oγ + H_g H_gᵀ σ_o², where
  D_g and H_g are the derivatives of the arrow by γ and by the offset of a gene. Both have the
  opposite sign here, because a steeper line makes deviations smaller;
- the counts of a cell also influence the lines of all genes, by ψ_cg and ω_cg, and thereby the
  arrows of a cluster by Σ_g (G_g ψ_cg + H_g ω_cg), where G and H are sums over the cluster;
- a sign-flipped control multiplies the deviations of every cell by one sign. This changes the sign
  of y_ic and of these influences.

The sums of one block need this block only, and blocks may be added in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo.model._retest import n_retest_sums

from ._flow_pairs import no_pairs, pairs_of_groups
from ._kernels import _contributions as kernels
from ._kernels import _fold_means as places
from ._kernels._gather import put_columns
from ._kernels._line_influences import add_line_errors, sum_by_group
from ._line_influences import LineInfluences
from ._precision import zero_of_sums
from ._scratch import Scratch
from ._threads import for_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import Instruments
    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray

    from ._fold_graph import FoldGraphs
    from ._moment_source import MomentBlock
    from ._projection import Projection
    from ._velocities import Lines

__all__ = ["DirectionProblem", "DirectionSums"]


@dataclass(frozen=True, eq=False)
class DirectionProblem:
    """Data that are the same for all genes; rows are in the order of the source.

    Attributes
    ----------
    fold_graphs
        The neighbours for the genes of each fold in each repeat.
    projections
        Projections M for the same.
    lines
        The fitted lines of all genes.
    groups
        Number of each row's group, shape (rows,); −1 for rows without a group.
    n_groups
        Number of groups.
    signs
        Signs of the sign-flipped controls, shape (controls, rows).
    for_cells
        Whether errors of arrows of cells are needed, too, or only those of groups.
    pairs
        Number of every pair of groups whose flow is retested, and −1 for the others, shape (groups,
        groups). Without any, arrows of groups are retested if errors of cells are needed.
    """

    fold_graphs: FoldGraphs
    projections: list[Projection]
    lines: Lines
    groups: IntArray
    n_groups: int
    signs: NDArray[np.int8]
    for_cells: bool = True
    n_threads: int = 1
    pairs: IntArray = field(default_factory=no_pairs)
    scratch: Scratch = field(default_factory=Scratch)

    @property
    def n_dims(self) -> int:
        """Number of dimensions of the embedding."""
        return int(self.projections[0].embedding.shape[1])

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.groups)

    def retest_shape(self, n_genes: int) -> tuple[int, int, int]:
        """Return the shape of the sums for the retest: the last of them are those of no group."""
        if len(self.pairs) > 0:
            return int(self.pairs.max()) + 2, n_retest_sums(1), n_genes
        return self.n_groups + 1, n_retest_sums(self.n_dims), n_genes if self.for_cells else 0

    def retested(self, start: int, stop: int) -> tuple[IntArray, NDArray[np.intp], IntArray]:
        """Return which sums for the retest some rows add to, and their places among these.

        The first are numbers of groups, −1 for rows without one, or of pairs. The second are the
        places of the groups of the rows, and the third those of pairs.
        """
        # rows that follow each other are of few groups
        names, at = np.unique(self.groups[start:stop], return_inverse=True)
        if len(self.pairs) > 0:
            numbers, pairs = pairs_of_groups(self.pairs, names)
            return numbers, at, pairs
        return names if self.for_cells and self.n_groups > 0 else names[:0], at, self.pairs

    def by_group(self, values: Float32Array) -> Float64Array:
        """Sum (rows, …, genes) over each group's rows to (groups, …, genes)."""
        flat = values.reshape(len(values), -1)

        def work(start: int, stop: int) -> Float64Array:
            total = np.zeros((self.n_groups, flat.shape[1]))
            sum_by_group(flat, self.groups, total, start, stop)
            return total

        total = sum(for_rows(work, len(flat), self.n_threads))
        return np.asarray(total).reshape(self.n_groups, *values.shape[1:])


@dataclass(eq=False)
class DirectionSums:
    """Sums over genes from which directions are computed.

    Attributes
    ----------
    contributions
        Contribution y_ic of the cell c at the end of every edge, float32, shape (edges of all fold
        graphs, dimensions).
    influences
        Influence of each cell's counts on the summed arrows through the lines of each block.
    noise_along
        Deviation of the spliced counts of the cell at the end of every edge from the mean of its
        neighbours, multiplied by the velocity that the other fold of cells gives, float32, shape
        (edges of the fold graphs of the first repeat,). This and the next three are 0 unless errors
        of cells are needed.
    chance
        Variance of `noise_along` that is due to the noise of that velocity, shape (these fold
        graphs, folds, rows).
    line_errors
        Covariance of every arrow that is due to the errors of the lines, shape (rows, dimensions,
        dimensions).
    control_shifts
        Change of every arrow that is due to the refit of the lines to a control, float32, shape
        (controls, rows, dimensions).
    group_contributions, group_slopes
        Each gene's part of the summed arrows, and their derivatives by its γ with the opposite
        sign, shape (groups, dimensions, genes).
    gamma_se
        Standard errors of γ, shape (genes,).
    retest
        Sums for the retest of the arrows of groups, shape (groups + 1, sums, genes); see
        :class:`steadyvelo.model._retest.RetestSums`. Or those for pairs of groups, shape (pairs +
        1, sums, genes), on the one dimension from the first group to the second.
    abundance
        Mean unspliced abundance of every gene, shape (genes,).
    deviations
        Sums of r over the rows of every group, shape (groups, genes).
    """

    contributions: Float32Array
    influences: list[LineInfluences]
    noise_along: Float32Array
    chance: Float64Array
    line_errors: Float64Array
    control_shifts: Float32Array
    group_contributions: Float64Array
    group_slopes: Float64Array
    gamma_se: Float64Array
    retest: Float64Array
    abundance: Float64Array
    deviations: Float64Array

    @classmethod
    def zeros(cls, problem: DirectionProblem) -> DirectionSums:
        """Return the sums over no genes."""
        graphs, n_genes = problem.fold_graphs, len(problem.lines.gamma)
        n_rows, n_dims = problem.n_rows, problem.n_dims
        noisy = graphs.graphs[: graphs.n_first if problem.for_cells else 0]
        return cls(
            np.zeros((graphs.n_edges, n_dims), dtype=np.float32),
            [],
            np.zeros(max((graph.edges.stop for graph in noisy), default=0), dtype=np.float32),
            np.zeros((len(noisy), 2, n_rows)),
            np.zeros((n_rows, n_dims, n_dims)),
            np.zeros((len(problem.signs), n_rows, n_dims), dtype=np.float32),
            np.zeros((problem.n_groups, n_dims, n_genes)),
            np.zeros((problem.n_groups, n_dims, n_genes)),
            np.zeros(n_genes),
            np.zeros(problem.retest_shape(n_genes)),
            np.zeros(n_genes),
            np.zeros((problem.n_groups, n_genes)),
        )

    def add(self, problem: DirectionProblem, block: MomentBlock, made: Instruments) -> None:
        """Add the genes of a block, with the instruments of their lines.

        The unspliced counts of the block and h of the instruments are overwritten.
        """
        n_threads, scratch = problem.n_threads, problem.scratch
        over_rows = partial(for_rows, n_rows=problem.n_rows, n_threads=n_threads)
        gamma, offset = problem.lines.of(block.genes)
        psi, omega = made.line_influences(gamma, offset, over_rows, overwrite=True)
        shape = problem.n_rows, problem.n_dims, psi.shape[1]

        slopes = scratch.zeros("slopes", shape, n_threads)
        with_offset = shape[0] if omega.shape[1] > 0 else 0
        offsets = scratch.zeros("offsets", (with_offset, *shape[1:]), n_threads)
        spliced, unspliced = block.kept_counts
        # without it, squares in float32 would lose small differences of large values
        # means of columns; float32, so that the block is not copied
        share = np.full(problem.n_rows, 1 / problem.n_rows, dtype=np.float32)
        middle = share @ spliced
        self.abundance[block.genes] = share @ unspliced
        values = spliced, block.deviation(gamma, offset, n_threads, out=unspliced)
        self.deviations[:, block.genes] = problem.by_group(values[1])
        for number in range(len(problem.projections)):
            self._add_fold_graph(problem, number, block, values, middle, (slopes, offsets))
        by_slope = problem.by_group(slopes)
        by_offset = problem.by_group(offsets) if len(offsets) > 0 else np.zeros((1, 1, 0))
        self.group_slopes[..., block.genes] = by_slope
        kept = LineInfluences.of_block(psi, omega, by_slope, by_offset, n_threads)
        self.influences.append(kept)
        variance = partial(np.einsum, "cg,cg->g", dtype=np.float64)
        slope_variance, none = variance(psi, psi), np.zeros(0)
        self.gamma_se[block.genes] = np.sqrt(slope_variance)
        if problem.for_cells:
            covariance = variance(psi, omega) if len(offsets) > 0 else none
            offset_variance = variance(omega, omega) if len(offsets) > 0 else none
            variances = slope_variance, covariance, offset_variance
            over_rows(partial(add_line_errors, slopes, offsets, *variances, self.line_errors))
        self._add_control_shifts(problem, (slopes, psi), (offsets, omega))

    def _add_control_shifts(
        self, problem: DirectionProblem, *of_lines: tuple[Float32Array, Float32Array]
    ) -> None:
        """Add the change of every arrow by the refit of the lines to each control."""
        if len(problem.signs) == 0:
            return
        turned = problem.signs.T.astype(np.float32)
        for derivative, influence in of_lines:
            if influence.shape[1] > 0:
                moved = influence.T @ turned
                for d in range(problem.n_dims):
                    self.control_shifts[:, :, d] -= (derivative[:, d] @ moved).T

    def _add_fold_graph(
        self,
        problem: DirectionProblem,
        number: int,
        block: MomentBlock,
        values: tuple[Float32Array, Float32Array],
        middle: Float32Array,
        derivatives: tuple[Float32Array, Float32Array],
    ) -> None:
        """Add the contributions of the genes of one fold along the edges of their graph.

        `values` are spliced counts and deviations, `middle` the means of the first, `derivatives`
        those of arrows by γ and by the offset.
        """
        projection, n_threads = problem.projections[number], problem.n_threads
        fold_graph, n_rows = projection.fold_graph, problem.n_rows
        columns = np.flatnonzero(fold_graph.genes[block.genes])
        if len(columns) == 0:
            return
        fold, width = fold_graph.fold, len(columns)
        with_noise = number < len(self.chance)
        over_rows = partial(for_rows, n_rows=n_rows, n_threads=n_threads)

        def array(name: str, *shape: int) -> Float32Array:
            return problem.scratch.array(f"{name} of fold", shape, np.float32)

        packed = array("packed", n_rows, places.PLACES if with_noise else places.AWAY, width)
        for place, of_genes in zip((places.COUNTS, places.DEVIATION), values, strict=True):
            over_rows(partial(put_columns, of_genes, columns, packed, place))

        # the means of the counts are the first two places
        counts = packed, places.COUNTS, packed
        fold_graph.run(places.fold_means, fold, *counts, n_threads=n_threads)
        if with_noise:
            fold_graph.run(places.subtract_own_means, fold, packed, n_threads=n_threads)
        edges, genes = fold_graph.edges, block.genes[columns]
        given = (
            fold,
            projection.embedding,
            projection.weights,
            projection.shifts,
            packed,
            middle[columns],
            columns,
            problem.groups,
            self.contributions[edges],
            self.noise_along[edges],
            self.chance[number] if with_noise else np.zeros((2, 0)),
        )
        pattern = fold_graph.neighbors.indptr, fold_graph.neighbors.indices
        zero: Any = zero_of_sums(n_rows)

        n_groups, n_dims = problem.n_groups, problem.n_dims
        n_retested, n_sums, _ = self.retest.shape

        def work(start: int, stop: int) -> tuple[Float64Array, IntArray, Float32Array]:
            arrows = np.zeros((n_groups, n_dims, width))
            names, at, pairs = problem.retested(start, stop)
            retest = np.zeros((len(names), n_sums, width), dtype=np.float32)
            of_groups = arrows, at, pairs, retest
            kernels.add_fold_graph(*pattern, *given, *of_groups, *derivatives, zero, start, stop)
            return arrows, names, retest

        parts = for_rows(work, n_rows, n_threads)
        if n_groups > 0:
            arrows = sum(part for part, _, _ in parts)
            self.group_contributions[..., genes] += arrows
        if self.retest.size > 0:
            retest = np.zeros((n_retested, n_sums, width))
            for _, names, part in parts:
                # the last place is that of rows without a group, −1
                retest[names] += part
            self.retest[..., genes] += retest
