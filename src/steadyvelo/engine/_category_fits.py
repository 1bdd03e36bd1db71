"""A fit of every gene in each category of cells, block by block."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo.model import FEWEST_MOLECULES, SufficientStatistics
from steadyvelo.model._join import joined

from ._category_lines import CategoryLines
from ._cell_category import CellCategory
from ._moment_source import by_gene
from ._scratch import Scratch
from ._threads import for_genes
from ._velocities import Lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array, IntArray

    from ._fit import FitResult
    from ._fit_rule import FitRule
    from ._moment_source import CountsSource, MomentBlock

__all__ = ["CategoryFits", "CategoryRatios"]

_GENES_PER_TASK = 32


@dataclass(frozen=True, eq=False)
class CategoryRatios:
    """Lines of some genes in each category of cells; arrays have the shape (genes, categories).

    Attributes
    ----------
    gamma, offset
        The lines that are used: those of the category, or the common ones.
    common
        Whether the common line is used, because the category has too few molecules or no fit.
    r2
        R² of the category's fit over its cells; NaN where the common line is used.
    se
        Standard error of the category's ratio; NaN where the common line is used.
    molecules
        Effective number of unspliced molecules that determine the ratio of the category.
    n_cells
        Number of cells with a weight above 0 in the fit of the category.
    r2_of_all
        1 − Σv² / Σ(u − ū)² over all cells with the velocities v of these lines, shape (genes,).
    """

    gamma: Float64Array
    offset: Float64Array
    common: BoolArray
    r2: Float64Array
    se: Float64Array
    molecules: Float64Array
    n_cells: NDArray[np.int64]
    r2_of_all: Float64Array


@dataclass(frozen=True, eq=False)
class CategoryFits:
    """Fits of every gene in each category of cells.

    A category gets the common line of a gene if its own rests on fewer than
    :data:`steadyvelo.model.FEWEST_MOLECULES` effective molecules.

    Attributes
    ----------
    parts
        The categories, by their numbers.
    cells
        Cells that are used, shape (cells,).
    categories
        Number of each cell's category, shape (cells,); −1 for cells with the common line.
    source
        The counts, which are kept in its blocks.
    scratch
        Arrays of one category at a time, and of velocities.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo import engine
    >>> rng, order = np.random.default_rng(0), engine.CellOrder.identity(60)
    >>> half, scales, every = np.arange(60) // 30, np.ones((2, 60)), np.ones(60, dtype=bool)
    >>> near = (np.abs(np.subtract.outer(np.arange(60), np.arange(60))) < 6) & (
    ...     half[:, None] == half
    ... )
    >>> graph = engine.SmoothingOperator.from_connectivities(near)
    >>> s = rng.poisson(np.linspace(5, 40, 60)[:, None], (60, 4))
    >>> u = rng.poisson(np.where(half, 0.2, 0.5)[:, None] * s)
    >>> source = engine.CountsSource(s, u, np.arange(4), order, *scales, graph, keep_counts=True)
    >>> rule = engine.FitRule("all", (None, 0.95), False, every, every, "fit")
    >>> fits = engine.CategoryFits.of(rule, half, source)
    >>> def consume(block, fit, _):
    ...     velocity = fits.take(block, fit)
    >>> common = engine.fit_ratios(source, rule, genes_per_block=4, consume=consume)
    >>> fits.ratios().gamma.mean(axis=0).round(1)
    array([0.5, 0.2])
    """

    parts: list[CellCategory]
    cells: BoolArray
    categories: NDArray[np.intp]
    source: CountsSource
    scratch: Scratch
    _found: list[CategoryRatios] = field(default_factory=list, init=False)
    _genes: list[IntArray] = field(default_factory=list, init=False)

    @classmethod
    def of(
        cls,
        rule: FitRule,
        categories: NDArray[np.intp],
        source: CountsSource,
        samples: NDArray[np.intp] | None = None,
    ) -> CategoryFits:
        """Fit each category by a rule that chooses among its cells.

        `categories` are numbered from 0, and each has a cell. `samples` is the number of each
        cell's sample; None if cells are independent.
        """
        sizes = np.bincount(categories[categories >= 0])
        if not sizes.all():
            msg = f"category {sizes.argmin()} has no cells; number categories without gaps."
            raise ValueError(msg)
        scratch = Scratch()
        parts = [
            CellCategory.of(np.flatnonzero(categories == k), rule, source, samples, scratch)
            for k in range(len(sizes))
        ]
        return cls(parts, rule.cells, categories, source, scratch)

    def take(self, block: MomentBlock, fit: FitResult, n_threads: int = 1) -> Float32Array:
        """Fit the genes of a block, given their common fit, and return the velocities.

        They are overwritten by those of the next block.
        """
        fits = [part.fit(block, self.scratch, n_threads) for part in self.parts]
        gamma, offset, r2, n_cells = (
            np.stack([getattr(one, name) for one in fits], axis=1)
            for name in ("gamma", "offset", "r2", "n_cells")
        )
        molecules, se = (
            np.stack([getattr(one.errors, name) for one in fits], axis=1)
            for name in ("molecules", "se")
        )
        # a gene without a common fit has no velocity in any category
        none = np.isnan(fit.gamma)[:, None]
        common = ~(molecules >= FEWEST_MOLECULES) | np.isnan(gamma) | none
        gamma = np.where(common, fit.gamma[:, None], gamma)
        offset = np.where(common, fit.offset[:, None], offset)
        of_all = Lines(fit.gamma, fit.offset)
        lines = CategoryLines.of_cells(gamma, offset, of_all, self.categories, self.source)
        lines = replace(lines, scratch=self.scratch)
        room = self.scratch.array("velocity", block.unspliced.shape, np.float32)
        velocity = lines.velocity(block, n_threads, room)
        r2_of_all = np.where(none[:, 0], np.nan, self._r2(block, velocity, n_threads))
        r2, se = np.where(common, np.nan, r2), np.where(common, np.nan, se)
        self._found.append(
            CategoryRatios(gamma, offset, common, r2, se, molecules, n_cells, r2_of_all)
        )
        self._genes.append(block.genes)
        return velocity

    def ratios(self) -> CategoryRatios:
        """Return the ratios of all genes."""
        return joined(self._found, self._genes)

    def _r2(self, block: MomentBlock, velocity: Float32Array, n_threads: int) -> Float64Array:
        """Return the share of the variance of u that velocities do not have."""

        def sums_of(genes: slice) -> SufficientStatistics:
            # genes without a fit have no R²
            known = np.nan_to_num(by_gene(velocity, genes, block.order))
            unspliced = by_gene(block.unspliced, genes, block.order)
            return SufficientStatistics.from_gene_rows(known, unspliced, self.cells[None, :])

        n_genes = velocity.shape[1]
        sums = joined(for_genes(sums_of, n_genes, _GENES_PER_TASK, n_threads))
        squares = sums.spliced_squares + sums.total_weight * sums.spliced_mean**2
        spread = sums.unspliced_squares > 0
        total = np.where(spread, sums.unspliced_squares, 1.0)
        return np.where(spread, 1.0 - squares / total, np.nan)
