"""Bounds of the lines of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from ._ratio import Bound, OffsetMode, RatioFit
    from ._statistics import SufficientStatistics

__all__ = ["LineBounds"]


@dataclass(frozen=True)
class LineBounds:
    """The lowest and the highest ratio and offset that a fit allows.

    Attributes
    ----------
    gamma, offset
        Lowest and highest value; None means no bounds. Those of the offset apply to lines with a
        free offset.
    times_mean
        Whether the bounds of the offset are multiples of ū, the mean of u over the cells of the fit
        with their weights.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import LineBounds, SufficientStatistics
    >>> spliced = np.array([[1.0], [2.0], [3.0]])
    >>> sums = SufficientStatistics.from_arrays(spliced, 0.5 * spliced - 0.5)
    >>> fit = LineBounds(offset=(0.0, np.inf)).solve(sums, offset=True)
    >>> fit.gamma.round(3).tolist(), fit.offset.tolist(), fit.at_bound.tolist()
    ([0.286], [0.0], [True])
    """

    gamma: tuple[float, float] | None = None
    offset: tuple[float, float] | None = None
    times_mean: bool = False

    @classmethod
    def velocyto(cls) -> Self:
        """Return velocyto's bounds: γ from 0 to 20, and an offset from 0 to 2 ū."""
        return cls((0.0, 20.0), (0.0, 2.0), times_mean=True)

    def solve(self, sums: SufficientStatistics, *, offset: OffsetMode) -> RatioFit:
        """Fit every gene within the bounds; see :meth:`SufficientStatistics.solve`."""
        ends: tuple[Bound, Bound] | None = self.offset if offset is True else None
        if ends is not None and self.times_mean:
            ends = ends[0] * sums.unspliced_mean, ends[1] * sums.unspliced_mean
        return sums.solve(offset=offset, gamma_bounds=self.gamma, offset_bounds=ends)
