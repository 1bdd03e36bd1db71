"""Instruments that were computed before: in another pass over the genes, or for other counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ._kernels import _line_influences as kernels
from ._scratch import Scratch
from ._threads import for_genes, in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import Instruments
    from steadyvelo.model._typing import Float32Array, IntArray

    from ._crossfit import CrossFitErrors
    from ._fit_rule import FitRule
    from ._moment_source import CountsSource, MomentBlock
    from ._order import CellOrder
    from ._uncertainty import Uncertainty

__all__ = ["KeptInstruments", "KnownInstruments"]

_GENES_PER_TASK = 16


@dataclass(eq=False)
class KeptInstruments:
    """Instruments of lines through the origin, of cells that have counts of the gene.

    These are all that influence a line. They need a small part of the memory of all instruments:
    4 bytes each, and for every gene a bit for each cell.

    Attributes
    ----------
    order
        Order of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> kept = engine.KeptInstruments(engine.CellOrder.identity(3))
    >>> kept.has(np.array([0, 1]))
    False
    """

    order: CellOrder
    _columns: dict[int, tuple[NDArray[np.uint8], Float32Array]] = field(
        default_factory=dict, init=False
    )
    _scratch: Scratch = field(default_factory=Scratch, init=False)

    def add(self, block: MomentBlock, genes: IntArray, made: Instruments, n_threads: int) -> None:
        """Keep the instruments of a block; `genes` are the names under which they are found."""
        arrays = made.h, *block.kept_counts
        sizes = np.empty(len(genes), dtype=np.int64)

        def count(part: slice) -> None:
            kernels.count_known(*arrays, sizes, part.start, part.stop)

        for_genes(count, len(genes), _GENES_PER_TASK, n_threads)
        indptr = np.concatenate([[0], np.cumsum(sizes)])
        marks = np.zeros((len(genes), -(-len(made.h) // 8)), dtype=np.uint8)
        data = np.empty(indptr[-1], dtype=np.float32)

        def take(part: slice) -> None:
            kernels.take_known(*arrays, indptr, marks, data, part.start, part.stop)

        for_genes(take, len(genes), _GENES_PER_TASK, n_threads)
        ends = pairwise(indptr)
        for gene, mark, (low, high) in zip(genes.tolist(), marks, ends, strict=True):
            self._columns[gene] = mark, data[low:high]

    def has(self, genes: IntArray) -> bool:
        """Tell whether the instruments of all these genes are kept."""
        return all(gene in self._columns for gene in genes.tolist())

    def of(
        self, block: MomentBlock, genes: IntArray, uncertainty: Uncertainty, n_threads: int
    ) -> Instruments:
        """Return the instruments of the genes of a block; the next call overwrites them."""
        if not np.array_equal(self.order.cell_of_row, block.order.cell_of_row):
            msg = "the instruments were kept in another order of the cells."
            raise ValueError(msg)
        h = self._scratch.zeros("h", block.spliced.shape, n_threads)
        columns = [self._columns[gene] for gene in genes.tolist()]
        put = [partial(kernels.put_column, *c, place, h) for place, c in enumerate(columns)]
        in_threads(put, n_threads)
        return uncertainty.weighing(block, h, np.zeros((len(h), 0), dtype=np.float32))


@dataclass(frozen=True, eq=False)
class KnownInstruments:
    """Instruments of a fit, for its counts or for the same counts with other size factors.

    Attributes
    ----------
    counts
        The counts of the fit, not smoothed, for the genes of the source that needs instruments.
    kept
        Instruments under the rule of the fit, to which those that are computed are added; None if
        they are not kept.

    Examples
    --------
    Spliced counts that have another size factor have another slope under the same instruments.

    >>> from dataclasses import replace
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> rng, order = np.random.default_rng(0), engine.CellOrder.identity(60)
    >>> every, scales = np.ones(60, dtype=bool), np.ones((2, 60))
    >>> near = np.abs(np.subtract.outer(np.arange(60), np.arange(60))) < 6
    >>> graph = engine.SmoothingOperator.from_connectivities(near)
    >>> s, u = (rng.poisson(np.linspace(0, mean, 60)[:, None], (60, 4)) for mean in (40, 20))
    >>> source = engine.CountsSource(s, u, np.arange(4), order, *scales, graph, keep_counts=True)
    >>> fold = np.arange(60, dtype=np.int8) % 2
    >>> neighbors = engine.RankedNeighbors.equal(graph.without_self())
    >>> repeat = engine.Repeat(fold[:4], fold, (neighbors, neighbors))
    >>> known = engine.KnownInstruments(source, engine.KeptInstruments(order))
    >>> errors = engine.CrossFitErrors(scales, 0.95, None, [repeat], known)
    >>> rule = engine.FitRule("all", (None, 0.95), False, every, every, "fit")
    >>> other = replace(source, spliced_scale=scales[0] / 2)
    >>> fit = engine.fit_ratios(other, rule, genes_per_block=4, uncertainty=errors)
    >>> bool((abs(fit.gamma - 1) < 4 * fit.errors.se).all())
    True
    """

    counts: CountsSource
    kept: KeptInstruments | None

    def has(self, genes: IntArray) -> bool:
        """Whether those of all these genes were kept."""
        return self.kept is not None and self.kept.has(genes)

    def of_genes(self, genes: IntArray) -> KnownInstruments:
        """Return the instruments for a source of other genes."""
        return replace(self, counts=replace(self.counts, genes=genes))

    def of(
        self, block: MomentBlock, rules: list[FitRule], errors: CrossFitErrors, n_threads: int
    ) -> list[Instruments]:
        """Return the instruments with the counts of a block; of kept ones, there is one rule."""
        genes = self.counts.genes[block.genes]
        if self.kept is not None and self.kept.has(genes):
            return [self.kept.of(block, genes, errors, n_threads)]
        lent = self.counts.block(block.genes, n_threads)
        made = errors.computed(lent, rules, n_threads)
        if self.kept is not None:
            self.kept.add(lent, genes, made[0], n_threads)
        found: Any = [(one.h, one.h0) for one in made]
        return [errors.weighing(block, *of_rule) for of_rule in found]
