"""What the steps of one run need more than once, and keep until its end."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from steadyvelo.engine import RankedNeighbors

    from ._ahead import Ahead
    from ._direction import DirectionChoice

__all__ = ["Kept", "TestedDirections", "kept_results", "now_kept"]


@dataclass(frozen=True, eq=False)
class TestedDirections:
    """A record that directions were tested.

    `choice` are the arguments. `other_sizes` are the clusters with the other size factors, and the
    parts of genes in their arrows; None if this was not asked for, or if fewer than two velocity
    genes are left.
    """

    choice: DirectionChoice
    other_sizes: tuple[pd.DataFrame, pd.DataFrame] | None


@dataclass(eq=False)
class Kept:
    """Results that are kept.

    Attributes
    ----------
    looks_ahead
        Whether checks and directions follow on the fit, which then computes what they need.
    ahead
        What fits have computed for them, by velocity key.
    graphs
        Graphs of folds, by what they are for and all from which they were made.
    directions
        Directions that were tested before the step that needs them, by velocity key.
    """

    looks_ahead: bool
    ahead: dict[str, Ahead] = field(default_factory=dict)
    graphs: dict[tuple[object, ...], tuple[RankedNeighbors, RankedNeighbors]] = field(
        default_factory=dict
    )
    directions: dict[str, TestedDirections] = field(default_factory=dict)

    def forget(self, purpose: str | None = None) -> None:
        """Free the memory of the graphs for a purpose that is done, or of all graphs."""
        for name in [name for name in self.graphs if purpose in {None, name[0]}]:
            del self.graphs[name]


_KEPT: ContextVar[Kept | None] = ContextVar("kept", default=None)


@contextmanager
def kept_results(*, look_ahead: bool = False) -> Iterator[None]:
    """Keep results for the steps inside; a call inside another one changes nothing."""
    if _KEPT.get() is not None:
        yield
        return
    token = _KEPT.set(Kept(look_ahead))
    try:
        yield
    finally:
        _KEPT.reset(token)


def now_kept() -> Kept | None:
    """Return what is kept now; None outside of :func:`kept_results`."""
    return _KEPT.get()
