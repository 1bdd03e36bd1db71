"""The votes of all neighbours while they are cast, gene block by gene block."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from steadyvelo.model import group_members

from ._kernels._votes import sum_votes
from ._rings import Ring
from ._threads import for_rows, gene_slices, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from steadyvelo.model import Instruments
    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray

    from ._crossfit import Split
    from ._moment_source import CountsSource, MomentBlock

__all__ = ["Ballot", "Lines", "Votes"]

_GENES_PER_TASK = 16


@dataclass(frozen=True, eq=False)
class Lines:
    """Fitted lines of the genes of a source, each of shape (genes,)."""

    gamma: Float64Array
    offset: Float64Array


@dataclass(frozen=True, eq=False)
class Votes:
    """What neighbours of each cell say, and its sums over groups of cells.

    Attributes
    ----------
    arrows
        Mean votes, shape (cells, dimensions); NaN for a cell without votes.
    covariances
        Their covariances: the spread of the votes, the errors of the lines and the noise in M,
        shape (cells, dimensions, dimensions).
    n_votes
        Effective number of votes of each cell, shape (cells,).
    group_arrows
        Sums of arrows, shape (groups, dimensions).
    group_scores
        What each raw cell adds to them less what it moves the lines, shape
        (groups, dimensions, cells): independent between cells.
    group_votes
        Parts of the genes in them, shape (groups, dimensions, genes).
    group_slopes, group_offsets
        Derivatives of them by γ and by the offset of each gene, with the sign turned, shape
        (groups, dimensions, genes).
    gamma_se
        Standard errors of γ, shape (genes,).
    controls
        Makes the same as `arrows` and `covariances` for every row of signs, one after the other:
        all of them would take many times the memory.
    """

    arrows: Float64Array
    covariances: Float64Array
    n_votes: Float64Array
    group_arrows: Float64Array
    group_scores: Float64Array
    group_votes: Float64Array
    group_slopes: Float64Array
    group_offsets: Float64Array
    gamma_se: Float64Array
    controls: Callable[[], Iterator[tuple[Float64Array, Float64Array]]]


@dataclass(eq=False)
class Ballot:
    """The votes while they are cast; rows stand in the order of the source."""

    source: CountsSource
    rings: list[Ring]
    n_splits: int
    n_dims: int
    groups: sp.csr_array
    signs: NDArray[np.int8]
    n_threads: int
    error: Float64Array
    shift: Float64Array
    moved: Float64Array
    parts: list[dict[str, Float64Array]] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        source: CountsSource,
        splits: list[Split],
        embedding: Float64Array,
        groups: IntArray,
        signs: NDArray[np.int8],
        n_threads: int,
    ) -> Ballot:
        n_cells, n_dims = embedding.shape
        n_groups = int(groups.max(initial=-1)) + 1
        members = group_members(groups[source.order.cell_of_row], n_groups, np.float32)
        rings = [
            Ring.of(split, fold, source.order, embedding)
            for split in splits
            for fold in (0, 1)
            if (split.gene_fold == fold).any()
        ]
        return cls(
            source,
            rings,
            len(splits),
            n_dims,
            members,
            signs,
            n_threads,
            np.zeros((n_cells, n_dims, n_dims)),
            np.zeros((len(signs), n_cells, n_dims)),
            np.zeros((n_groups * n_dims, n_cells)),
        )

    def measure(self, block: MomentBlock) -> None:
        """Add how far apart the ends of every edge lie in the genes of a block."""
        spliced, _ = block.kept_counts
        for ring in self.rings:
            columns = np.flatnonzero(ring.genes[block.genes])
            if len(columns) == 0:
                continue
            ring.measure(spliced[:, columns], self.n_threads)

    def steer(self) -> None:
        """Scale the steps that make up M by the root mean square length of a cell's edges.

        One length for all sets of neighbours: with one for each, noise would weigh them.
        """
        square = np.mean([ring.square_length() for ring in self.rings], axis=0)
        length = np.sqrt(square)
        # over the splits a mean is taken
        weight = np.divide(1 / self.n_splits, length, out=np.zeros_like(length), where=length > 0)
        for ring in self.rings:
            ring.steer(weight)

    def vote(self, block: MomentBlock, instruments: Instruments, lines: Lines) -> None:
        """Let the neighbours say what the genes of a block tell."""
        spliced, unspliced = block.kept_counts
        gamma, offset = lines.gamma[block.genes], lines.offset[block.genes]
        residuals = unspliced - gamma.astype(np.float32) * spliced - offset.astype(np.float32)
        # of the arrow by γ and by the offset, and what each gene says
        shape = (self.n_dims, *spliced.shape)
        slopes, offsets, said = np.zeros((3, *shape), dtype=np.float32)
        for ring in self.rings:
            columns = np.flatnonzero(ring.genes[block.genes])
            if len(columns) > 0:
                values = spliced[:, columns], residuals[:, columns]
                for part in ring.vote(*values, self.n_threads):
                    for total, value in zip((slopes, offsets, said), part, strict=True):
                        total[:, :, columns] += value
        slope_influence, offset_influence = self._influences(instruments, gamma, offset)
        self._add_errors(slopes, offsets, slope_influence, offset_influence)
        members = self.groups

        def grouped(values: Float32Array) -> Float64Array:
            return np.stack([members @ values[d] for d in range(self.n_dims)], axis=1)

        by_slope, by_offset, votes = (grouped(values) for values in (slopes, offsets, said))
        flat = len(self.moved), len(gamma)
        self.moved += by_slope.reshape(flat) @ slope_influence
        self.moved += by_offset.reshape(flat) @ offset_influence
        self.parts.append(
            {
                "slopes": by_slope,
                "offsets": by_offset,
                "votes": votes,
                "gamma_se": np.sqrt((slope_influence**2).sum(axis=1)),
            }
        )

    def _influences(
        self, instruments: Instruments, gamma: Float64Array, offset: Float64Array
    ) -> tuple[Float32Array, Float32Array]:
        """Return how each cell moves γ and offset of every gene, shape (genes, rows)."""
        tasks = gene_slices(len(gamma), _GENES_PER_TASK)
        found = in_threads(
            [
                partial(instruments.of_genes(genes).line_influences, gamma[genes], offset[genes])
                for genes in tasks
            ],
            self.n_threads,
        )
        slope, of_offset = (
            np.concatenate([part[k].T for part in found], dtype=np.float32) for k in (0, 1)
        )
        return slope, of_offset

    def _add_errors(
        self,
        slopes: Float32Array,
        offsets: Float32Array,
        slope_influence: Float32Array,
        offset_influence: Float32Array,
    ) -> None:
        """Add what the errors of the lines mean for every cell, and for every control."""
        both = np.einsum("gc,gc->g", slope_influence, offset_influence, dtype=np.float64)
        square = (
            np.einsum("gc,gc->g", slope_influence, slope_influence, dtype=np.float64),
            np.einsum("gc,gc->g", offset_influence, offset_influence, dtype=np.float64),
        )
        for d in range(self.n_dims):
            for f in range(d + 1):
                added = (slopes[d] * slopes[f]) @ square[0]
                added += (offsets[d] * offsets[f]) @ square[1]
                added += (slopes[d] * offsets[f] + offsets[d] * slopes[f]) @ both
                self.error[:, d, f] += added
                if f < d:
                    self.error[:, f, d] += added
        if len(self.signs) == 0:
            return
        placed = self.signs[:, self.source.order.cell_of_row].astype(np.float32)
        # what lines fitted to the turned deviations would be off by
        by_slope, by_offset = slope_influence @ placed.T, offset_influence @ placed.T
        for d in range(self.n_dims):
            self.shift[:, :, d] -= (slopes[d] @ by_slope + offsets[d] @ by_offset).T

    def count(self) -> Votes:
        """Return the result, in the order of the cells."""
        order, position = self.source.order.cell_of_row, self.source.order.row_of_cell
        n_cells = len(order)
        starts = np.cumsum([0] + [len(ring.votes) for ring in self.rings])
        indptr = np.stack(
            [ring.graph.indptr + start for ring, start in zip(self.rings, starts[:-1], strict=True)]
        )
        indices = np.concatenate([ring.graph.indices for ring in self.rings])
        votes = np.concatenate([ring.votes for ring in self.rings])

        n_votes = np.empty(n_cells)

        def summed(signs: NDArray[np.int8]) -> tuple[Float64Array, Float64Array]:
            arrows = np.empty((n_cells, self.n_dims))
            covariances = np.empty((n_cells, self.n_dims, self.n_dims))
            out = arrows, covariances, n_votes
            for_rows(
                partial(sum_votes, indptr, indices, votes, signs, *out), n_cells, self.n_threads
            )
            return arrows, covariances

        arrows, covariances = summed(np.ones(n_cells, dtype=np.int8))
        none = n_votes == 0
        arrows[none], covariances[none] = np.nan, np.nan

        def controls() -> Iterator[tuple[Float64Array, Float64Array]]:
            for row, shift in zip(self.signs[:, order], self.shift, strict=True):
                turned, spread = summed(row)
                yield (turned + shift)[position], (spread + self.error)[position]

        scores = self._scores()
        joined = {
            name: np.concatenate([part[name] for part in self.parts], axis=-1)
            for name in self.parts[0]
        }
        shape = (self.groups.shape[0], self.n_dims)
        return Votes(
            arrows[position],
            (covariances + self.error + self._steering())[position],
            n_votes[position],
            scores.sum(axis=1).reshape(shape),
            (scores - self.moved)[:, position].reshape(*shape, n_cells),
            joined["votes"].astype(np.float64),
            joined["slopes"].astype(np.float64),
            joined["offsets"].astype(np.float64),
            joined["gamma_se"].astype(np.float64),
            controls,
        )

    def _steering(self) -> Float64Array:
        """Return what the noise in M adds to the covariance of every arrow."""
        total = np.zeros_like(self.error)
        for ring in self.rings:
            total += ring.steering_noise(self.n_threads)
        # over splits as if each had noise of its own: they share counts, but the noise of one cell
        # turns its vote and its part in M against each other, and that is not counted either
        total[np.linalg.eigvalsh(total)[:, 0] < 0] = 0.0
        return total

    def _scores(self) -> Float64Array:
        """Return the votes of each raw cell in the sum of every group, (groups × dims, rows)."""
        out = np.zeros_like(self.moved)
        for ring in self.rings:
            own, degree = ring.edges()
            for d in range(self.n_dims):
                said = sp.csr_array(
                    (
                        ring.votes[:, d] / degree[own],
                        ring.graph.indices,
                        ring.graph.indptr,
                    ),
                    shape=(ring.graph.n_cells,) * 2,
                )
                out[d :: self.n_dims] += (self.groups @ said).toarray()
        return out
