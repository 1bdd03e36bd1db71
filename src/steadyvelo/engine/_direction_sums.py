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

:class:`DirectionSums` of one block need this block only, and those of different blocks are added.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from ._kernels._direction import add_contributions

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array, Float64Array

    from ._moment_source import MomentBlock
    from ._projection import Projection
    from ._velocities import Lines

    # ψ and ω of Uncertainty.line_influences
    Influences: TypeAlias = tuple[Float32Array, Float32Array]

__all__ = ["DirectionProblem", "DirectionSums"]


@dataclass(frozen=True, eq=False)
class DirectionProblem:
    """Data that are the same for all genes; rows are in the order of the source.

    Attributes
    ----------
    projections
        Projections M for the genes of each fold in each repeat.
    lines
        The fitted lines of all genes.
    groups
        A matrix with 1 where a cell belongs to a group, shape (groups, rows).
    signs
        Signs of the sign-flipped controls, shape (controls, rows).
    """

    projections: list[Projection]
    lines: Lines
    groups: sp.csr_array[Any]
    signs: NDArray[np.int8]
    n_threads: int = 1

    @property
    def n_dims(self) -> int:
        """Number of dimensions of the embedding."""
        return self.projections[0].n_dims

    def edges(self) -> list[slice]:
        """Return the slice of each projection's edges in the array of all edges."""
        n_edges = [projection.fold_graph.n_edges for projection in self.projections]
        return [slice(*ends) for ends in pairwise(np.cumsum([0, *n_edges]).tolist())]

    def by_group(self, values: Float32Array) -> Float32Array:
        """Sum (dimensions, rows, genes) over each group's rows to (groups, dimensions, genes)."""
        return np.stack([self.groups @ part for part in values], axis=1)

    def among_all_genes(self, values: Float32Array, block: MomentBlock) -> Float32Array:
        """Return values of a block's genes in an array of all genes, with 0 for the other genes."""
        out = np.zeros((*values.shape[:-1], len(self.lines.gamma)), dtype=np.float32)
        out[..., block.genes] = values
        return out


@dataclass(eq=False)
class DirectionSums:
    """Sums over genes from which directions are computed.

    Attributes
    ----------
    contributions
        Contribution y_ic of the cell c at the end of every edge, float32, shape (edges of all fold
        graphs, dimensions).
    noise_along
        Deviation of that cell's spliced counts from the mean of its neighbours, multiplied by the
        velocity that the other fold of cells gives, float32, shape (edges of all fold graphs,).
    chance
        Variance of `noise_along` that is due to the noise of that velocity, shape (fold graphs,
        folds, rows).
    line_errors
        Covariance of every arrow that is due to the errors of the lines, shape (rows, dimensions,
        dimensions).
    control_shifts
        Change of every arrow that is due to the refit of the lines to a control, shape (controls,
        rows, dimensions).
    group_moved
        Influence of each cell's counts on the summed arrow of every group through the lines, shape
        (groups, dimensions, rows).
    group_contributions, group_slopes
        Each gene's part of the summed arrows, and their derivatives by its γ with the opposite
        sign, float32, shape (groups, dimensions, genes); 0 for genes of other blocks.
    gamma_se
        Standard errors of γ, float32, shape (genes,); 0 for genes of other blocks.
    """

    contributions: Float32Array
    noise_along: Float32Array
    chance: Float64Array
    line_errors: Float64Array
    control_shifts: Float64Array
    group_moved: Float64Array
    group_contributions: Float32Array
    group_slopes: Float32Array
    gamma_se: Float32Array

    @classmethod
    def of_block(
        cls, problem: DirectionProblem, block: MomentBlock, influences: Influences
    ) -> DirectionSums:
        """Compute the sums over the genes of a block from the cells' `influences` on its lines."""
        edges = problem.edges()
        contributions = np.zeros((edges[-1].stop, problem.n_dims), dtype=np.float32)
        noise_along = np.zeros(edges[-1].stop, dtype=np.float32)
        chance = np.zeros((len(edges), 2, len(block.spliced)))
        # for each gene its part of every arrow, and the derivatives by γ and by the offset
        arrows = np.zeros((3, problem.n_dims, *block.spliced.shape), dtype=np.float32)
        deviations = block.deviation(*problem.lines.of(block.genes), problem.n_threads)
        for projection, places, by_chance in zip(problem.projections, edges, chance, strict=True):
            out = contributions[places], noise_along[places], by_chance, arrows
            _add_fold_graph(projection, block, deviations, *out, n_threads=problem.n_threads)

        parts, slopes, offsets = map(problem.by_group, arrows)
        (n_groups, n_dims, n_genes), n_rows = slopes.shape, len(block.spliced)
        flat = n_groups * n_dims, n_genes
        psi, omega = influences
        moved = (slopes.reshape(flat) @ psi).astype(np.float64)
        moved += offsets.reshape(flat) @ omega
        errors = np.sqrt((psi**2).sum(axis=1))
        return cls(
            contributions,
            noise_along,
            chance,
            _line_errors(arrows[1], arrows[2], influences),
            _control_shifts(arrows[1], arrows[2], influences, problem.signs),
            moved.reshape(n_groups, n_dims, n_rows),
            *(problem.among_all_genes(values, block) for values in (parts, slopes, errors)),
        )

    def __iadd__(self, other: Self) -> Self:
        """Add the sums of other genes in place, because arrays of all edges are large."""
        for field in fields(self):
            total = getattr(self, field.name)
            total += getattr(other, field.name)
        return self


def _line_errors(
    slopes: Float32Array, offsets: Float32Array, influences: Influences
) -> Float64Array:
    """Return the covariance of every arrow that is due to the errors of the lines."""
    psi, omega = influences
    slope_variance, covariance, offset_variance = (
        np.einsum("gc,gc->g", x, y, dtype=np.float64)
        for x, y in ((psi, psi), (psi, omega), (omega, omega))
    )
    n_dims, n_rows, _ = slopes.shape
    out = np.empty((n_rows, n_dims, n_dims))
    for d in range(n_dims):
        for f in range(d + 1):
            added = (slopes[d] * slopes[f]) @ slope_variance
            added += (offsets[d] * offsets[f]) @ offset_variance
            added += (slopes[d] * offsets[f] + offsets[d] * slopes[f]) @ covariance
            out[:, d, f] = out[:, f, d] = added
    return out


def _control_shifts(
    slopes: Float32Array, offsets: Float32Array, influences: Influences, signs: NDArray[np.int8]
) -> Float64Array:
    """Return the change of every arrow by the refit of the lines to each control."""
    turned = signs.T.astype(np.float32)
    by_slope, by_offset = (moved @ turned for moved in influences)
    out = np.empty((len(signs), *slopes.shape[1::-1]))
    for d, (slope, offset) in enumerate(zip(slopes, offsets, strict=True)):
        out[:, :, d] = -(slope @ by_slope + offset @ by_offset).T
    return out


def _add_fold_graph(
    projection: Projection,
    block: MomentBlock,
    all_deviations: Float32Array,
    contributions: Float32Array,
    noise_along: Float32Array,
    chance: Float64Array,
    arrows: Float32Array,
    n_threads: int,
) -> None:
    """Add the contributions of the genes of one fold along the edges of their graph."""
    fold_graph = projection.fold_graph
    columns = np.flatnonzero(fold_graph.genes[block.genes])
    if len(columns) == 0:
        return
    spliced, deviations = block.kept_counts[0][:, columns], all_deviations[:, columns]
    means, mean_deviations = (
        [mean.apply(values, n_threads) for mean in fold_graph.means]
        for values in (spliced, deviations)
    )
    # deviations from the mean of neighbours in the same fold, which excludes the cell itself
    noise = [spliced - mean for mean in means]
    spread, deviation_spread = (
        [mean.apply(x * x, n_threads) for mean, x in zip(fold_graph.means, values, strict=True)]
        for values in (noise, [deviations - mean for mean in mean_deviations])
    )
    rows = np.empty((len(spliced), projection.n_dims, len(columns)), dtype=np.float32)
    parts, slopes, offsets = arrows

    def add(fold: int, *arguments: Float32Array) -> None:
        """Add products with counts of the cells of a fold to the edges that end in them."""
        fold_graph.run(add_contributions, fold_graph.cells[fold], *arguments, n_threads=n_threads)

    for fold in (0, 1):
        # cells of one fold determine the projection, those of the other fold contribute
        other = 1 - fold
        projection.of_genes(fold, means[fold], rows, n_threads)
        add(other, rows, deviations, contributions)
        share = fold_graph.share(other)[:, None]
        velocity = share * mean_deviations[other]
        add(fold, velocity[:, None, :], noise[fold], noise_along[:, None])
        by_chance = (spread[fold] * deviation_spread[other]).sum(axis=1)
        n_contributing = np.maximum(fold_graph.n_inside(other), 1)
        chance[fold] += share[:, 0] ** 2 * by_chance / n_contributing
        by_dimension = rows.transpose(1, 0, 2)
        parts[:, :, columns] += by_dimension * velocity
        slopes[:, :, columns] += by_dimension * (share * means[other])
        offsets[:, :, columns] += share * by_dimension
