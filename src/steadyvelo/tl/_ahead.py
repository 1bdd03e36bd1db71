"""What directions need of a fit, computed in its own pass over all genes.

The instruments of a gene take most of the time of a run. The fit and the directions need those of
the same gene, so they are computed once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from steadyvelo.engine import KeptInstruments, KnownInstruments

from ._kept import now_kept

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit
    from steadyvelo.engine import CellOrder, FitResult, FitRule, MomentBlock, MomentSource
    from steadyvelo.model import Instruments
    from steadyvelo.model._ratio import OffsetMode

__all__ = [
    "CLUSTERS",
    "NOTHING",
    "Ahead",
    "Wanted",
    "forget_instruments",
    "instruments_of",
    "of_fit",
    "wanted",
]


class Wanted(NamedTuple):
    """What a fit with cross-fitted errors computes in addition to ratios and their errors.

    `directions`: the instruments and neighbours that directions need. `offset`: the test of an
    offset.
    """

    directions: bool
    offset: bool


# a fit alone; one with known instruments, on which the directions of clusters follow
NOTHING = Wanted(directions=False, offset=True)
CLUSTERS = Wanted(directions=True, offset=False)


def wanted() -> Wanted:
    """Return what is wanted of a fit now: all of it if directions follow in this run."""
    kept = now_kept()
    all_of_it = kept is not None and kept.looks_ahead
    return Wanted(directions=True, offset=True) if all_of_it else NOTHING


@dataclass(eq=False)
class Ahead:
    """Results from the instruments of a fit.

    Attributes
    ----------
    genes
        Indices of the genes of the pass among those of the data.
    kept
        Instruments of the lines; None if lines have an offset, which has too many of them.
    n_threads
        Number of threads.
    """

    genes: NDArray[np.int64]
    kept: KeptInstruments | None
    n_threads: int
    _gamma: list[NDArray[np.float64]] = field(default_factory=list, init=False)
    _places: list[NDArray[np.int64]] = field(default_factory=list, init=False)

    @classmethod
    def of(cls, source: MomentSource, rule: FitRule, n_threads: int) -> Self:
        """Make it before the first block."""
        return cls(source.genes, _room(source.order, offset=rule.offset), n_threads)

    def take(self, block: MomentBlock, fit: FitResult, made: list[Instruments]) -> None:
        """Add a block, of whose instruments the first are those of the fit."""
        self._gamma.append(fit.gamma)
        self._places.append(block.genes)
        if self.kept is not None:
            self.kept.add(block, self.genes[block.genes], made[0], self.n_threads)

    def store(self, key: str) -> None:
        """Keep it for the fit with this velocity key, in place of an earlier one."""
        kept = now_kept()
        if kept is not None:
            kept.ahead[key] = self

    def is_of(self, fit: Fit) -> bool:
        """Tell whether these are the results of a fit."""
        gamma = np.full(fit.adata.n_vars, np.nan)
        gamma[self.genes[np.concatenate(self._places)]] = np.concatenate(self._gamma)
        return len(gamma) == len(fit.gamma) and np.array_equal(
            np.where(np.isnan(fit.gamma), np.nan, gamma), fit.gamma, equal_nan=True
        )


def of_fit(fit: Fit) -> Ahead | None:
    """Return what was computed ahead with a fit; None if nothing was."""
    kept = now_kept()
    ahead = None if kept is None else kept.ahead.get(fit.key)
    return ahead if ahead is not None and ahead.is_of(fit) else None


def kept_instruments(fit: Fit) -> KnownInstruments | None:
    """Return the instruments of all genes that were kept with a fit; None if they were not."""
    ahead = of_fit(fit)
    return None if ahead is None or ahead.kept is None else _known(fit, ahead.kept)


def forget_instruments(fit: Fit) -> None:
    """Free the memory of the instruments that were kept with a fit."""
    ahead = of_fit(fit)
    if ahead is not None:
        ahead.kept = None


def instruments_of(fit: Fit) -> KnownInstruments:
    """Return the instruments of a fit, of which those that are not known are computed and kept."""
    kept = kept_instruments(fit)
    return _known(fit, _room(fit.order, offset=fit.options.offset)) if kept is None else kept


def _known(fit: Fit, kept: KeptInstruments | None) -> KnownInstruments:
    counts = fit.counts(np.arange(fit.adata.n_vars))
    return KnownInstruments(replace(counts, smooth=False), kept)


def _room(order: CellOrder, *, offset: OffsetMode) -> KeptInstruments | None:
    """Return where instruments are kept; lines with an offset have too many of them."""
    return KeptInstruments(order) if offset is False else None
