r"""Errors from instruments that are computed from other cells and other genes.

If instruments are computed from the same counts to which they apply, γ and its error are biased: a
cell with many unspliced molecules by chance is more often an extreme cell, and a cell's neighbours
are cells with similar noise. So genes and cells are divided into two folds each. Neighbours for the
genes of one fold are found from the genes of the other fold. For the cells c of one fold, smoothed
values a and weights m are computed from the cells of the other fold, and

.. math:: h_c = \sum_i W_{ic} m_i a_i, \qquad h^0_c = \sum_i W_{ic} m_i

do not depend on :math:`\tilde u_c` and :math:`\tilde s_c`. Instruments are averaged over several
repeats, and then γ is estimated once. (Averages of intervals cover too much.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ._fit_rule import FitRule, weigh_rows
from ._kernels._gather import put_columns
from ._kernels._spreading import add_columns, scale_by
from ._marked_cells import MOST_RULES, MarkedCells, mark_rows
from ._scratch import Scratch
from ._threads import for_genes, for_rows
from ._uncertainty import Uncertainty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import Instruments
    from steadyvelo.model._typing import Float32Array, IntArray

    from ._kept_instruments import KnownInstruments
    from ._moment_source import MomentBlock
    from ._ranked_neighbors import RankedNeighbors
    from ._spreading import RankedSpreading

__all__ = ["CrossFitErrors", "Repeat"]

# genes of a block that is wide enough to be divided into folds
_WIDE_BLOCK = 64
_GENES_PER_TASK = 16


@dataclass(frozen=True, eq=False)
class Repeat:
    """One random division of genes and cells into two folds each.

    Attributes
    ----------
    gene_fold, cell_fold
        0 or 1 for each gene of the source, shape (genes,), and for each cell, shape (cells,).
    graphs
        The neighbours for the genes of fold 0 and of fold 1, which are found without these genes;
        None if instruments are known.
    direction_graphs
        The neighbours among which directions are measured; None means the nearest of `graphs`.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> graph = engine.SmoothingOperator.from_connectivities(np.ones((4, 4))).without_self()
    >>> neighbors = engine.RankedNeighbors.equal(graph)
    >>> fold = np.array([0, 1, 0, 1], dtype=np.int8)
    >>> repeat = engine.Repeat(gene_fold=fold[:2], cell_fold=fold, graphs=(neighbors,) * 2)
    >>> repeat.graphs[0].without(repeat.cell_fold == 1).indices[:2]
    array([2, 0], dtype=int32)
    """

    gene_fold: NDArray[np.int8]
    cell_fold: NDArray[np.int8]
    graphs: tuple[RankedNeighbors, RankedNeighbors] | None
    direction_graphs: tuple[RankedNeighbors, RankedNeighbors] | None = None

    def graph(self, fold: int, *, for_directions: bool = False) -> RankedNeighbors:
        """Return the neighbours for the genes of a fold."""
        both = self.direction_graphs if for_directions else None
        both = both or self.graphs
        if both is None:
            msg = "the repeat has no graphs for instruments."
            raise ValueError(msg)
        return both[fold]


@dataclass(frozen=True, eq=False)
class CrossFitErrors(Uncertainty):
    """Instruments that do not depend on the counts to which they apply, averaged over repeats.

    With `known` instruments, these are used, and the repeats give the neighbours only.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> rng, order = np.random.default_rng(0), engine.CellOrder.identity(60)
    >>> every, scales = np.ones(60, dtype=bool), np.ones((2, 60))
    >>> near = np.abs(np.subtract.outer(np.arange(60), np.arange(60))) < 6
    >>> graph = engine.SmoothingOperator.from_connectivities(near)
    >>> s, u = (rng.poisson(np.linspace(0, mean, 60)[:, None], (60, 4)) for mean in (40, 20))
    >>> source = engine.CountsSource(s, u, np.arange(4), order, *scales, graph, keep_counts=True)
    >>> rule = engine.FitRule("all", (None, 0.95), False, every, every, "fit")
    >>> fold = np.arange(60, dtype=np.int8) % 2
    >>> neighbors = engine.RankedNeighbors.equal(graph.without_self())
    >>> repeat = engine.Repeat(fold[:4], fold, (neighbors, neighbors))
    >>> errors = engine.CrossFitErrors(scales, 0.95, None, [repeat])
    >>> fit = engine.fit_ratios(source, rule, genes_per_block=4, uncertainty=errors)
    >>> bool((abs(fit.gamma - 0.5) < 4 * fit.errors.se).all())
    True
    """

    repeats: list[Repeat]
    known: KnownInstruments | None = None
    scratch: Scratch = field(default_factory=Scratch)

    replaces_fit: ClassVar[bool] = True
    tests_offset: ClassVar[bool] = True

    def gene_order(self, genes_per_block: int) -> IntArray | None:
        """Return genes that are in the same folds of many repeats one after the other.

        The genes of a block that are in one fold are processed together. If its genes differ in few
        folds, it is divided into fewer parts, so that less time is spent on what does not depend on
        the number of genes. The folds of a gene in all repeats are read as a number in Gray code,
        in which the next number differs in one fold. None for wide blocks: reading genes that are
        not next to each other would take longer.
        """
        if not self.repeats or genes_per_block >= _WIDE_BLOCK:
            return None
        rank = np.zeros(len(self.repeats[0].gene_fold), dtype=np.int64)
        fold = np.zeros_like(rank)
        for repeat in self.repeats:
            fold ^= repeat.gene_fold
            rank = 2 * rank + fold
        return np.argsort(rank, kind="stable")

    def instruments(
        self,
        block: MomentBlock,
        rules: list[FitRule],
        weights: list[NDArray[np.generic]] | None = None,  # noqa: ARG002
        n_threads: int = 1,
    ) -> list[Instruments]:
        """Return the instruments of a block, which do not depend on the ordinary fits."""
        if self.known is not None:
            return self.known.of(block, rules, self, n_threads)
        return self.computed(block, rules, n_threads)

    def computed(
        self, block: MomentBlock, rules: list[FitRule], n_threads: int = 1
    ) -> list[Instruments]:
        """Compute instruments from the counts of a block."""
        n_cells, n_genes = block.spliced.shape
        rules = [rule.in_order(block.order) for rule in rules]

        zeros = self.scratch.zeros
        sums = []
        for k, rule in enumerate(rules):
            shape0 = n_cells, n_genes if rule.has_offset else 0
            h = zeros(f"h {k}", (n_cells, n_genes), n_threads)
            sums.append((h, zeros(f"h0 {k}", shape0, n_threads)))
        for repeat in self.repeats:
            for fold in (0, 1):
                self._add_fold(block, rules, repeat, fold, sums, n_threads)
        share: Any = np.float32(1.0 / len(self.repeats))
        for total in (x for of_rule in sums for x in of_rule):
            for_rows(partial(scale_by, total, share), n_cells, n_threads)
        return [self.weighing(block, *of_rule) for of_rule in sums]

    def _add_fold(
        self,
        block: MomentBlock,
        rules: list[FitRule],
        repeat: Repeat,
        fold: int,
        sums: list[tuple[Float32Array, Float32Array]],
        n_threads: int,
    ) -> None:
        """Add instruments of the genes of one fold to the sums of h and h0 under every rule."""
        columns = np.flatnonzero(repeat.gene_fold[block.genes] == fold)
        if len(columns) == 0:
            return
        order, graph = block.order, repeat.graph(fold).reordered(block.order)
        shape = len(block.spliced), len(columns)

        def array(name: str) -> Float32Array:
            return self.scratch.array(name, shape, np.float32)

        packed = self.scratch.array("counts", (shape[0], 2, shape[1]), np.float32)
        for place, values in enumerate(block.kept_counts):
            put = partial(put_columns, values, columns, packed, place)
            for_rows(put, shape[0], n_threads)
        places, first = block.genes[columns], array("spliced")
        marks = len(rules) <= MOST_RULES and all(rule.weights_dtype == np.bool_ for rule in rules)
        for cells in (0, 1):
            responders = repeat.cell_fold[order.cell_of_row] == cells
            # the cells of the other fold determine the weights of this fold's counts
            others, spreading = ~responders, graph.spreading(responders, n_threads)
            if marks:
                turned = self.scratch.array("by gene", (2, *shape[::-1]), np.float32)
                graph.means_by_gene(packed, others, first, turned, n_threads)
                codes = self.scratch.array("codes", shape, np.uint8)
                mark = partial(mark_rows, rules, (turned[0], turned[1]), places, codes)
                for_genes(mark, len(columns), _GENES_PER_TASK, n_threads)
                how = len(rules), self.scratch, n_threads
                marked = MarkedCells.of(codes, first, spreading.share, *how)
                marked.add_to(spreading, columns, sums, n_threads)
            else:
                means = graph.means(packed, others, n_threads)
                moments = np.ascontiguousarray(means[:, 0]), np.ascontiguousarray(means[:, 1])
                given = rules, moments, places
                self._add_weighted(spreading, given, columns, sums, n_threads)

    def _add_weighted(
        self,
        spreading: RankedSpreading,
        given: tuple[list[FitRule], tuple[Float32Array, Float32Array], IntArray],
        columns: IntArray,
        sums: list[tuple[Float32Array, Float32Array]],
        n_threads: int,
    ) -> None:
        """Add the instruments under rules that weigh all cells."""
        rules, moments, _ = given
        shape = moments[0].shape
        weights = [
            self.scratch.array(f"weights {k}", shape, rule.weights_dtype)
            for k, rule in enumerate(rules)
        ]
        weigh = partial(weigh_rows, *given, weights)
        for_genes(weigh, shape[1], _GENES_PER_TASK, n_threads)
        terms, received = (
            self.scratch.array(name, shape, np.float32) for name in ("terms of h", "received")
        )
        for of_rule, (h, h0) in zip(weights, sums, strict=True):
            width = shape[1] if h0.shape[1] > 0 else 0
            terms0 = self.scratch.array("terms of h0", (shape[0], width), np.float32)
            spreading.weigh(moments[0], of_rule, terms, terms0, n_threads)
            for values, total in ((terms, h), (terms0, h0)):
                if total.shape[1] > 0:
                    spreading.received(values, n_threads, received)
                    add = partial(add_columns, received, columns, total)
                    for_rows(add, len(total), n_threads)
