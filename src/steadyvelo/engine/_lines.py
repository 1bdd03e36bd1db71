"""Fitted lines, how counts deviate from them, and how each cell moves them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ._threads import gene_slices, in_threads

if TYPE_CHECKING:
    from steadyvelo.model._typing import Float32Array, Float64Array

    from ._fit_rule import FitRule
    from ._moment_source import MomentBlock
    from ._uncertainty import Uncertainty

__all__ = ["LineInfluences", "Lines"]

_GENES_PER_TASK = 16


@dataclass(frozen=True, eq=False)
class Lines:
    """Fitted lines of the genes of a source, each of shape (genes,)."""

    gamma: Float64Array
    offset: Float64Array

    def deviations(self, block: MomentBlock) -> Float32Array:
        """Return r = ũ − γ s̃ − o of the counts of a block, shape (rows, genes)."""
        spliced, unspliced = block.kept_counts
        gamma, offset = self.gamma[block.genes], self.offset[block.genes]
        deviations = unspliced - gamma.astype(np.float32) * spliced
        deviations -= offset.astype(np.float32)
        return deviations


@dataclass(frozen=True, eq=False)
class LineInfluences:
    """How each cell moves the lines of the genes in a block.

    Attributes
    ----------
    slope, offset
        ψ and ω: what a cell's counts add to the error of γ and of the offset, shape (genes, rows).
    """

    slope: Float32Array
    offset: Float32Array

    @classmethod
    def of_block(
        cls,
        block: MomentBlock,
        uncertainty: Uncertainty,
        rule: FitRule,
        lines: Lines,
        n_threads: int,
    ) -> LineInfluences:
        """Take them from the instruments of the fit."""
        gamma, offset = lines.gamma[block.genes], lines.offset[block.genes]
        (made,) = uncertainty.instruments(block, [rule], n_threads=n_threads)
        tasks = [
            partial(made.of_genes(genes).line_influences, gamma[genes], offset[genes])
            for genes in gene_slices(len(gamma), _GENES_PER_TASK)
        ]
        by_line = zip(*in_threads(tasks, n_threads), strict=True)
        return cls(*(np.concatenate([x.T for x in parts], dtype=np.float32) for parts in by_line))

    def covariances(self) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return σ_γ², σ_oγ and σ_o² of every gene."""
        slope, offset = self.slope, self.offset

        def summed(x: Float32Array, y: Float32Array) -> Float64Array:
            return np.asarray(np.einsum("gc,gc->g", x, y, dtype=np.float64))

        return summed(slope, slope), summed(slope, offset), summed(offset, offset)
