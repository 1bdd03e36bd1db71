r"""Errors of the ordinary fit, from instruments that are computed from the fit itself.

The counts of a cell enter the smoothed values of all its neighbours, and so the residual of each of
them. Errors that assume independent residuals are therefore several times too small. As a sum over
the cells' own counts, the equation of the fit is :math:`\sum_c h_c (\tilde u_c - \gamma \tilde s_c)
= 0` with :math:`h = W^\top (m \circ a)`: each cell i of the fit gives its :math:`m_i a_i` to the
cells whose counts enter its mean. :math:`h^0 = W^\top m` is the same for an offset. The terms of
this sum belong to different cells, so

.. math:: SE^2 = \sum_c h_c^2 (\tilde u_c - \gamma \tilde s_c)^2 \Big/
    \Big( \sum_c h_c \tilde s_c \Big)^2

The name is from econometrics, for :math:`A^{-1} B A^{-1}`. The method ignores that h, m and the
neighbours depend on the counts to which they apply; :mod:`._crossfit` avoids this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ._fit_rule import FitRule, weigh_rows
from ._scratch import Scratch
from ._threads import for_genes
from ._uncertainty import Uncertainty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import Instruments

    from ._moment_source import MomentBlock
    from ._spreading import Spreading

__all__ = ["SandwichErrors"]

_GENES_PER_TASK = 32


@dataclass(frozen=True, eq=False)
class SandwichErrors(Uncertainty):
    """Errors of the ordinary fit that take smoothing into account: `spreading` is the transposed W.

    It cannot test an offset of lines that are fitted without one: with its instruments the test
    would reject far too often.

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
    >>> errors = engine.SandwichErrors(scales, 0.95, None, engine.Spreading.transposing(graph))
    >>> fit = engine.fit_ratios(source, rule, genes_per_block=4, uncertainty=errors)
    >>> bool((abs(fit.errors.gamma - 0.5) < 4 * fit.errors.se).all())
    True
    """

    spreading: Spreading
    scratch: Scratch = field(default_factory=Scratch)

    replaces_fit: ClassVar[bool] = False
    tests_offset: ClassVar[bool] = False

    def instruments(
        self,
        block: MomentBlock,
        rules: list[FitRule],
        weights: list[NDArray[np.generic]] | None = None,
        n_threads: int = 1,
    ) -> list[Instruments]:
        """Return the instruments of a block."""
        given: list[NDArray[np.generic] | None] = [*(weights or [])]
        known = given + [None] * (len(rules) - len(given))
        return [
            self._under(number, block, rule, of_fit, n_threads)
            for number, (rule, of_fit) in enumerate(zip(rules, known, strict=True))
        ]

    def _under(
        self,
        number: int,
        block: MomentBlock,
        rule: FitRule,
        weights: NDArray[np.generic] | None,
        n_threads: int,
    ) -> Instruments:
        """Return the instruments under one rule."""
        n_cells, n_genes = block.spliced.shape
        n_receivers = self.spreading.n_receivers
        if weights is None:
            weights = self.scratch.array("weights", block.spliced.shape, rule.weights_dtype)
            moments = block.spliced, block.unspliced
            rules = [rule.in_order(block.order)]
            weigh = partial(weigh_rows, rules, moments, block.genes, [weights])
            for_genes(weigh, n_genes, _GENES_PER_TASK, n_threads)
        n_offset = 0 if rule.offset is False else n_genes
        given, given0, h, h0 = (
            self.scratch.array(name, shape, np.float32)
            for name, shape in (
                ("given", (n_cells, n_genes)),
                ("given to offset", (n_cells, n_offset)),
                (f"h {number}", (n_receivers, n_genes)),
                (f"h of offset {number}", (n_receivers, n_offset)),
            )
        )
        self.spreading.weigh(block.spliced, weights, given, given0, n_threads)
        self.spreading.received(given, n_threads, h)
        self.spreading.received(given0, n_threads, h0)
        return self.weighing(block, h, h0)
