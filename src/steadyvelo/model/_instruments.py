r"""Instruments: what the counts of each cell are weighed with in the fit of a ratio.

Least squares on smoothed values solves :math:`\sum_i m_i a_i (b_i - \gamma a_i) = 0` over the
cells i of the fit, with their weights m and the smoothed values :math:`a = W \tilde s` and :math:`b
= W \tilde u`. Neighbours share counts, so its terms depend on each other. But smoothing is linear,
and the two sums in it may change places: with :math:`h = W^\top (m \circ a)` the same equation is

.. math:: \sum_c h_c (\tilde u_c - \gamma \tilde s_c) = 0

over the cells' own counts. The instrument :math:`h_c` gathers what cell c adds to the smoothed
values of all cells of the fit. Counts of different cells are independent, so are the terms of this
sum, and its variance is the sum of their squares.

Nothing here asks which cell is which: rows may have any order, and sums over some of the cells
add to those over all (:class:`ScoreSums`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from ._kernels import _instruments as kernels
from ._ratio_errors import RatioErrors
from ._score_sums import Centring, InstrumentSums, ScoreSums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._typing import Float64Array

    # cells × genes
    CellRows: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
    # calls work(start, stop) for chunks that cover all rows, maybe in threads
    OverRows: TypeAlias = Callable[[Callable[[int, int], None]], None]

__all__ = ["Instruments"]


@dataclass(frozen=True, eq=False)
class Instruments:
    r"""Instruments of some genes and the counts they weigh.

    Through the origin γ solves :math:`\sum_c h_c (\tilde u_c - \gamma \tilde s_c) = 0`. With an
    offset, :math:`\sum_c h^0_c (\tilde u_c - \gamma \tilde s_c - o) = 0` as well, with
    :math:`h^0 = W^\top m`. Solved for o, this is the same with :math:`q = h - h^0 \sum h / \sum
    h^0` in the place of h, and counts less their means under :math:`h^0`.

    Attributes
    ----------
    h, h0
        Instruments of the slope and of the offset, shape (cells, genes); those of the offset may be
        left out, shape (cells, 0), where there is none.
    spliced, unspliced
        Counts divided by size factors, not smoothed, shape (cells, genes).
    scales
        1 / size factor of the spliced and of the unspliced counts, shape (cells, 2).
    batches
        Number of each cell's batch, from 0, shape (cells,); None means that cells are independent.
    """

    h: CellRows
    h0: CellRows
    spliced: CellRows
    unspliced: CellRows
    scales: Float64Array
    batches: NDArray[np.intp] | None = None

    def __post_init__(self) -> None:
        shape = self.h.shape
        # kernels read what they are given
        for name, allowed in (
            ("h0", {shape, (shape[0], 0)}),
            ("spliced", {shape}),
            ("unspliced", {shape}),
            ("scales", {(shape[0], 2)}),
        ):
            given = getattr(self, name).shape
            if given not in allowed:
                msg = f"{name} has shape {given}; beside h of shape {shape} it cannot have that."
                raise ValueError(msg)

    def of_genes(self, genes: slice) -> Self:
        """Return the instruments of some of the genes."""
        h, h0, spliced, unspliced = (
            x[:, genes] for x in (self.h, self.h0, self.spliced, self.unspliced)
        )
        return replace(self, h=h, h0=h0, spliced=spliced, unspliced=unspliced)

    def errors(self, *, centred: bool, level: float = 0.95) -> RatioErrors:
        """Estimate γ with its errors; see :meth:`RatioErrors.from_sums`.

        Parameters
        ----------
        centred
            Whether there is an offset.
        level
            Probability with which the interval covers the ratio.
        """
        return RatioErrors.from_sums(self.sums(centred=centred), level=level)

    def sums(self, *, centred: bool, over_rows: OverRows | None = None) -> ScoreSums:
        """Return the sums over all cells that errors are made of.

        Parameters
        ----------
        centred
            Whether there is an offset.
        over_rows
            Calls ``work(start, stop)`` for chunks that cover all cells, maybe in threads; None for
            one chunk.
        """
        if not centred and self.h0.shape[1] == 0:
            return self.scores(None, over_rows)
        return self.scores(self.means(over_rows).centring(offset=centred), over_rows)

    def means(self, over_rows: OverRows | None = None) -> InstrumentSums:
        """Return the sums that counts and instruments are centred by, as :meth:`sums` does."""
        arrays = self._contiguous("h", "h0", "spliced", "unspliced")
        by_batch = self._summed(kernels.add_means, arrays, kernels.MEANS, over_rows)
        return InstrumentSums(**{name: x.sum(axis=0) for name, x in by_batch.items()})

    def scores(self, centring: Centring | None, over_rows: OverRows | None = None) -> ScoreSums:
        """Return the sums of scores less what a centring takes, as :meth:`sums` does."""
        if centring is None:
            arrays = self._contiguous("h", "spliced", "unspliced", "scales")
            by_batch = self._summed(
                kernels.add_origin_scores, arrays, kernels.ORIGIN_SCORES, over_rows
            )
            # nothing is taken from h and counts, and there is nothing of an offset
            same = {"h_spliced": by_batch["spliced"], "h_unspliced": by_batch["unspliced"]}
            zeros = np.zeros_like(by_batch["spliced"])
            by_batch = dict.fromkeys(kernels.SCORES, zeros) | by_batch | same
        else:
            arrays = self._contiguous("h", "h0", "spliced", "unspliced", "scales")
            means = centring.spliced_mean, centring.unspliced_mean
            lines = kernels.packed(centring.h_share, *means, centring.gamma, centring.kappa)
            by_batch = self._summed(kernels.add_scores, [*arrays, lines], kernels.SCORES, over_rows)
        sums = {name: x.sum(axis=0) for name, x in by_batch.items()}
        batches = slice(0) if self.batches is None else slice(None)
        return ScoreSums(
            centring,
            **sums,
            batch_unspliced=by_batch["unspliced"][batches],
            batch_spliced=by_batch["spliced"][batches],
        )

    def influences(
        self, gamma: Float64Array, *, centred: bool
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        r"""Return how each cell moves γ, the weight of its counts in it, and its leverage.

        :math:`q_c (\tilde u_c - \bar u - \gamma (\tilde s_c - \bar s)) / D`, :math:`q_c / D` and
        :math:`q_c (\tilde s_c - \bar s) / D`, with q the instrument, centred where there is an
        offset.

        Parameters
        ----------
        gamma
            The estimate of :meth:`errors`, shape (genes,).
        centred
            Whether there is an offset.

        Returns
        -------
        Three arrays of shape (cells, genes); NaN for a gene without an estimate.
        """
        q, s, u = self._centred(centred=centred)
        # a gene without an estimate has no influences, nor has one whose estimate is rounding alone
        d = (q * s).sum(axis=0)
        weight = q / np.where(np.isnan(gamma) | (d == 0), np.nan, d)
        return weight * (u - gamma * s), weight, weight * s

    def line_influences(
        self, gamma: Float64Array, offset: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        r"""Return how each cell moves γ and how it moves the offset.

        The first is ψ of :meth:`influences`; the second :math:`h^0_c (\tilde u_c - \gamma
        \tilde s_c - o) / \sum h^0 - \bar s \psi_c` with the mean under :math:`h^0`, and 0 for a
        gene whose line goes through the origin.

        Parameters
        ----------
        gamma, offset
            Fitted lines, shape (genes,); an offset of 0 is none.

        Returns
        -------
        Two arrays of shape (cells, genes); NaN for a gene without an estimate.
        """
        with_offset = offset != 0
        slope = self.influences(gamma, centred=False)[0]
        moved = np.where(np.isnan(gamma), np.nan, 0.0) * np.ones(slope.shape)
        if with_offset.any():
            slope[:, with_offset] = self.influences(gamma, centred=True)[0][:, with_offset]
            h0, s, u = (
                np.asarray(x[:, with_offset], dtype=np.float64)
                for x in (self.h0, self.spliced, self.unspliced)
            )
            share = h0 / h0.sum(axis=0)
            left = u - gamma[with_offset] * s - offset[with_offset]
            mean = (share * s).sum(axis=0)
            moved[:, with_offset] = share * left - mean * slope[:, with_offset]
        return slope, moved

    def _centred(self, *, centred: bool) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return the instrument, spliced and unspliced counts, centred where there is an offset."""
        h, h0, s, u = (
            np.asarray(x, dtype=np.float64) for x in (self.h, self.h0, self.spliced, self.unspliced)
        )
        if not centred:
            return h, s, u
        with np.errstate(invalid="ignore", divide="ignore"):
            total = h0.sum(axis=0)
            s, u = (x - (h0 * x).sum(axis=0) / total for x in (s, u))
            return h - h0 * (h.sum(axis=0) / total), s, u

    def _contiguous(self, *names: str) -> list[NDArray[Any]]:
        return [np.ascontiguousarray(getattr(self, name)) for name in names]

    def _summed(
        self,
        kernel: Callable[..., None],
        arrays: list[NDArray[Any]],
        names: tuple[str, ...],
        over_rows: OverRows | None,
    ) -> dict[str, Float64Array]:
        """Return what a kernel sums over the cells of each batch (or all), (batches, genes)."""
        n_cells, n_genes = self.h.shape
        if self.batches is None:
            rows, ends = np.arange(n_cells), [0, n_cells]
        else:
            rows = np.argsort(self.batches, kind="stable")
            ends = [0, *np.cumsum(np.bincount(self.batches)).tolist()]
        n_batches = len(ends) - 1
        found: dict[tuple[int, int], Float64Array] = {}

        def work(start: int, stop: int) -> None:
            for batch in range(n_batches):
                low, high = max(start, ends[batch]), min(stop, ends[batch + 1])
                if low < high:
                    sums = kernels.empty_sums(n_genes, names)
                    kernel(*arrays, rows, low, high, sums)
                    found[batch, low] = sums

        if over_rows is None:
            work(0, n_cells)
        else:
            over_rows(work)
        total = np.zeros((n_batches, *kernels.empty_sums(n_genes, names).shape))
        # in the order of the cells, whichever thread was first
        for batch, low in sorted(found):
            total[batch] += found[batch, low]
        return kernels.by_name(total, names, n_genes)
