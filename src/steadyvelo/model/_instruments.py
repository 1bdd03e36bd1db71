r"""Instruments: the weights of the cells' counts in the equation that determines a ratio.

Least squares on smoothed values solves :math:`\sum_i m_i a_i (b_i - \gamma a_i) = 0` over the
cells i of the fit, with their weights m and the smoothed values :math:`a = W \tilde s` and :math:`b
= W \tilde u`. Neighbours share counts, so the terms of this sum depend on each other. But smoothing
is linear, and the order of the two sums can be exchanged: with :math:`h = W^\top (m \circ a)` the
same equation is

.. math:: \sum_c h_c (\tilde u_c - \gamma \tilde s_c) = 0

over the cells' own counts. The instrument :math:`h_c` sums the weights with which the counts of
cell c enter the smoothed values of all cells of the fit. Counts of different cells are independent.
So the terms of this sum are independent, and its variance is the sum of their squares.

The results do not depend on the order of the cells, and sums over disjoint sets of cells add up to
the sums over all cells (:class:`ScoreSums`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
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
    # calls work(start, stop) for chunks that cover all rows, possibly in threads
    OverRows: TypeAlias = Callable[[Callable[[int, int], None]], object]

__all__ = ["Instruments"]


@dataclass(frozen=True, eq=False)
class Instruments:
    r"""Instruments of some genes and the counts to which they apply.

    A line through the origin has the γ that solves :math:`\sum_c h_c (\tilde u_c - \gamma \tilde
    s_c) = 0`. A line with an offset also solves :math:`\sum_c h^0_c (\tilde u_c - \gamma \tilde s_c
    - o) = 0` with :math:`h^0 = W^\top m`. If o is eliminated, γ solves the first equation with
    :math:`q = h - h^0 \sum h / \sum h^0` instead of h, and with counts from which their means under
    :math:`h^0` are subtracted.

    Attributes
    ----------
    h, h0
        Instruments of the slope and of the offset, shape (cells, genes). Those of the offset may
        have the shape (cells, 0) if no line has an offset.
    spliced, unspliced
        Counts divided by size factors, not smoothed, shape (cells, genes).
    scales
        1 / size factor of the spliced and of the unspliced counts, shape (cells, 2).
    samples
        Number of each cell's sample, from 0, shape (cells,); None if cells are independent.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import Instruments
    >>> spliced = np.array([[1.0], [2.0], [3.0]])
    >>> counts = spliced, 0.5 * spliced + 1
    >>> instruments = Instruments(spliced, np.ones((3, 1)), *counts, np.ones((3, 2)))
    >>> instruments.errors(centred=True).gamma.round(12).tolist()
    [0.5]
    """

    h: CellRows
    h0: CellRows
    spliced: CellRows
    unspliced: CellRows
    scales: Float64Array
    samples: NDArray[np.intp] | None = None

    def __post_init__(self) -> None:
        shape = self.h.shape
        # kernels do not check the shapes of arrays
        for name, allowed in (
            ("h0", {shape, (shape[0], 0)}),
            ("spliced", {shape}),
            ("unspliced", {shape}),
            ("scales", {(shape[0], 2)}),
        ):
            given = getattr(self, name).shape
            if given not in allowed:
                msg = f"{name} has shape {given}, which does not fit h of shape {shape}."
                raise ValueError(msg)

    def of_genes(self, genes: slice) -> Self:
        """Return the instruments of some of the genes."""
        h, h0, spliced, unspliced = (
            x[:, genes] for x in (self.h, self.h0, self.spliced, self.unspliced)
        )
        return replace(self, h=h, h0=h0, spliced=spliced, unspliced=unspliced)

    def errors(self, *, centred: bool, level: float = 0.95) -> RatioErrors:
        """Estimate γ and its errors; see :meth:`RatioErrors.from_sums`.

        Parameters
        ----------
        centred
            Whether the lines have an offset.
        level
            Probability that the interval contains the ratio.
        """
        return RatioErrors.from_sums(self.sums(centred=centred), level=level)

    def sums(self, *, centred: bool, over_rows: OverRows | None = None) -> ScoreSums:
        """Return the sums over all cells from which errors are computed.

        Parameters
        ----------
        centred
            Whether the lines have an offset.
        over_rows
            Calls ``work(start, stop)`` for chunks that cover all cells, possibly in threads; None
            processes all cells at once.
        """
        if not centred and self.h0.shape[1] == 0:
            return self.scores(None, over_rows)
        return self.scores(self.means(over_rows).centring(offset=centred), over_rows)

    def means(self, over_rows: OverRows | None = None) -> InstrumentSums:
        """Return the sums from which counts and instruments are centred; see :meth:`sums`."""
        h, h0, *counts = self._contiguous("h", "h0", "spliced", "unspliced")
        without = h0.shape[1] == 0
        # kernels need an array of this shape
        arrays = [h, h if without else h0, *counts]
        by_sample = self._summed(kernels.add_means, arrays, kernels.MEANS, over_rows)
        sums = {name: x.sum(axis=0) for name, x in by_sample.items()}
        if without:
            sums |= {name: np.zeros_like(x) for name, x in sums.items() if name.startswith("h0")}
        return InstrumentSums(**sums)

    def scores(self, centring: Centring | None, over_rows: OverRows | None = None) -> ScoreSums:
        """Return the sums of the scores after centring; see :meth:`sums`."""
        if centring is None:
            arrays = self._contiguous("h", "spliced", "unspliced", "scales")
            by_sample = self._summed(
                kernels.add_origin_scores, arrays, kernels.ORIGIN_SCORES, over_rows
            )
            # h and counts are not centred, and the sums of an offset are 0
            same = {"h_spliced": by_sample["spliced"], "h_unspliced": by_sample["unspliced"]}
            zeros = np.zeros_like(by_sample["spliced"])
            by_sample = dict.fromkeys(kernels.SCORES, zeros) | by_sample | same
        else:
            arrays = self._contiguous("h", "h0", "spliced", "unspliced", "scales")
            means = centring.spliced_mean, centring.unspliced_mean
            lines = kernels.packed(centring.h_share, *means, centring.gamma, centring.kappa)
            by_sample = self._summed(
                kernels.add_scores, [*arrays, lines], kernels.SCORES, over_rows
            )
        sums = {name: x.sum(axis=0) for name, x in by_sample.items()}
        samples = slice(0) if self.samples is None else slice(None)
        return ScoreSums(
            centring,
            **sums,
            sample_unspliced=by_sample["unspliced"][samples],
            sample_spliced=by_sample["spliced"][samples],
        )

    def line_influences(
        self,
        gamma: Float64Array,
        offset: Float64Array,
        over_rows: OverRows | None = None,
        *,
        overwrite: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        r"""Return each cell's influence on γ and on the offset.

        The first is :math:`\psi_c = q_c (\tilde u_c - \bar u - \gamma (\tilde s_c - \bar s)) / D`
        with :math:`D = \sum q_c (\tilde s_c - \bar s)`; instruments q and counts are centred if
        there is an offset. The second is :math:`h^0_c (\tilde u_c - \gamma \tilde s_c - o) / \sum
        h^0 - \bar s \psi_c` with the mean under :math:`h^0`; it is 0 for a gene whose line passes
        through the origin.

        Parameters
        ----------
        gamma, offset
            Fitted lines, shape (genes,). An offset of 0 means a line through the origin.
        over_rows
            See :meth:`sums`.
        overwrite
            Write the first result to `h`, which must be float32.

        Returns
        -------
        Two float32 arrays of shape (cells, genes); NaN for a gene without an estimate. If no line
        has an offset, the second has no columns.
        """
        if overwrite and self.h.dtype != np.float32:
            msg = f"h is {self.h.dtype}, and only float32 can be overwritten."
            raise TypeError(msg)
        some = offset != 0
        h, h0, spliced, unspliced = self._contiguous("h", "h0", "spliced", "unspliced")
        if h0.shape[1] == 0:
            # its factors are 0
            h0 = h
        sums = self.means(over_rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            share, spliced_mean, unspliced_mean, inverse0 = (
                np.where(some, x / sums.h0, 0.0)
                for x in (sums.h, sums.h0_spliced, sums.h0_unspliced, 1.0)
            )
            # a gene without an estimate has no influences, nor has one whose sum is rounding alone
            total = sums.h_spliced - share * sums.h0_spliced
            inverse = np.where(np.isnan(gamma) | (total == 0), np.nan, 1 / total)
        lines = np.stack([share, spliced_mean, unspliced_mean, gamma, inverse, offset, inverse0])
        psi: Any = self.h if overwrite else np.empty(self.h.shape, dtype=np.float32)
        omega = np.empty(psi.shape if some.any() else (len(psi), 0), dtype=np.float32)
        work = partial(kernels.influences, h, h0, spliced, unspliced, lines, psi, omega)
        if over_rows is None:
            work(0, len(psi))
        else:
            over_rows(work)
        return psi, omega

    def _contiguous(self, *names: str) -> list[NDArray[Any]]:
        return [np.ascontiguousarray(getattr(self, name)) for name in names]

    def _summed(
        self,
        kernel: Callable[..., None],
        arrays: list[NDArray[Any]],
        names: tuple[str, ...],
        over_rows: OverRows | None,
    ) -> dict[str, Float64Array]:
        """Return a kernel's sums over the cells of each sample (or all), (samples, genes)."""
        n_cells, n_genes = self.h.shape
        if self.samples is None:
            rows, ends = np.arange(n_cells), [0, n_cells]
        else:
            rows = np.argsort(self.samples, kind="stable")
            ends = [0, *np.cumsum(np.bincount(self.samples)).tolist()]
        n_samples = len(ends) - 1
        found: dict[tuple[int, int], Float64Array] = {}

        def work(start: int, stop: int) -> None:
            for sample in range(n_samples):
                low, high = max(start, ends[sample]), min(stop, ends[sample + 1])
                if low < high:
                    sums = kernels.empty_sums(n_genes, names)
                    kernel(*arrays, rows, low, high, sums)
                    found[sample, low] = sums

        if over_rows is None:
            work(0, n_cells)
        else:
            over_rows(work)
        total = np.zeros((n_samples, *kernels.empty_sums(n_genes, names).shape))
        # added in the order of the cells, so that results do not depend on the order of threads
        for sample, low in sorted(found):
            total[sample] += found[sample, low]
        return kernels.by_name(total, names, n_genes)
