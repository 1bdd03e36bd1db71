"""Time and progress of the steps of a run."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from steadyvelo._log import passing
from steadyvelo.engine import return_free_memory
from steadyvelo.engine._progress import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from steadyvelo.engine._progress import ShowProgress

__all__ = ["Steps", "shown_steps"]


class Steps:
    """Measures the time of steps, and reports which step begins and the share of all that is done.

    `shares` are the usual shares of steps in the time of the run, by name; other steps count as 0.
    """

    def __init__(self, shares: Mapping[str, float], tell: Callable[[float], None] | None) -> None:
        total = sum(shares.values())
        self._shares = {name: share / total for name, share in shares.items()}
        self._tell = tell or (lambda _share: None)
        self._done = 0.0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time a step; yields a function to report the share of the step that is done."""
        passing(f"{name} …")
        started, before, share = time.perf_counter(), self._done, self._shares.get(name, 0.0)
        # 1 is reported only after the last result is written
        yield lambda done: self._tell(min(before + share * done, 0.999))
        return_free_memory()
        self._done = before + share
        self._tell(min(self._done, 0.999))
        self.seconds[name] = time.perf_counter() - started


@contextmanager
def shown_steps(
    label: str, shares: Mapping[str, float], progress: ShowProgress | None
) -> Iterator[Steps]:
    """Show the progress of steps by a bar or a function, as the user chose."""
    with shown(progress or False, label) as tell:
        yield Steps(shares, tell)
        if tell is not None:
            tell(1.0)
