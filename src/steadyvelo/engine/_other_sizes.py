r"""Deviations and lines of a block with other size factors.

Size factors only multiply the counts of a cell. So the instruments of a fit, which do not depend on
the counts of the cell itself, also give the lines of counts with other size factors,

.. math:: \sum_c h_c (\tilde u'_c - \gamma' \tilde s'_c) = 0

and no second fit is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ._kernels._gather import residual_rows, scale_rows
from ._threads import for_rows

if TYPE_CHECKING:
    from steadyvelo.model import Instruments
    from steadyvelo.model._typing import BoolArray, Float32Array, Float64Array

    from ._moment_source import MomentBlock
    from ._scratch import Scratch

__all__ = ["OtherBlock", "OtherSizes"]


@dataclass(frozen=True, eq=False)
class OtherBlock:
    """Values of the genes of a block with other size factors.

    Attributes
    ----------
    spliced
        Spliced counts divided by these factors, shape (rows, genes).
    deviations
        Deviations from the lines with these factors, shape (rows, genes).
    psi, omega
        Influences on these lines; see :meth:`steadyvelo.model.Instruments.line_influences`.
    """

    spliced: Float32Array
    deviations: Float32Array
    psi: Float32Array
    omega: Float32Array


@dataclass(frozen=True, eq=False)
class OtherSizes:
    """Other size factors of the same cells.

    Attributes
    ----------
    scales
        1 / size factor of the spliced and of the unspliced counts, shape (rows, 2).
    ratios
        These divided by those of the block, shape (rows, 2).
    """

    scales: Float64Array
    ratios: Float64Array

    @classmethod
    def of(cls, scales: Float64Array, usual: Float64Array) -> OtherSizes:
        """Make it from other and usual 1 / size factors, shape (rows, 2)."""
        return cls(scales, np.divide(scales, usual, out=np.zeros_like(scales), where=usual != 0))

    def of_block(
        self,
        block: MomentBlock,
        made: Instruments,
        with_offset: BoolArray,
        scratch: Scratch,
        n_threads: int,
    ) -> OtherBlock:
        """Return the values of a block; `with_offset` marks genes whose lines have an offset."""
        over_rows = partial(for_rows, n_rows=len(self.ratios), n_threads=n_threads)

        def array(name: str) -> Float32Array:
            return scratch.array(f"other {name}", block.spliced.shape, np.float32)

        spliced, unspliced = array("spliced"), array("unspliced")
        for values, ratio, out in zip(
            block.kept_counts, self.ratios.T, (spliced, unspliced), strict=True
        ):
            over_rows(partial(scale_rows, values, np.ascontiguousarray(ratio), out))
        made = replace(made, spliced=spliced, unspliced=unspliced, scales=self.scales)
        gamma, offset = made.means(over_rows).lines(with_offset)
        psi, omega = made.line_influences(gamma, offset, over_rows)
        # a gene without a line adds nothing
        known = np.where(np.isnan(gamma), 0.0, gamma), np.where(np.isnan(offset), 0.0, offset)
        deviations = unspliced
        over_rows(partial(residual_rows, spliced, unspliced, *known, deviations))
        missing = np.flatnonzero(np.isnan(gamma))
        for values in (deviations, psi, omega):
            if values.shape[1] > 0:
                values[:, missing] = 0.0
        return OtherBlock(spliced, deviations, psi, omega)
