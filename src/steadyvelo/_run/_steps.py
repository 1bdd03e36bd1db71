"""The steps of a run: timed, and shown while they go on."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from steadyvelo._log import remark
from steadyvelo.engine._progress import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from steadyvelo.engine._progress import ShowProgress

__all__ = ["Steps", "shown_steps"]


class Steps:
    """Times steps, says which one begins, and tells which share of all of them is done.

    `shares` are how long steps usually take, by their names; a step that is not named takes none.
    """

    def __init__(self, shares: Mapping[str, float], tell: Callable[[float], None] | None) -> None:
        total = sum(shares.values())
        self._shares = {name: share / total for name, share in shares.items()}
        self._tell = tell or (lambda _share: None)
        self._done = 0.0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time a step, and give a function that takes the share of it that is done."""
        remark(f"{name} …")
        started, before, share = time.perf_counter(), self._done, self._shares.get(name, 0.0)
        # all is done when the last result is written
        yield lambda done: self._tell(min(before + share * done, 0.999))
        self._done = before + share
        self._tell(min(self._done, 0.999))
        self.seconds[name] = time.perf_counter() - started


@contextmanager
def shown_steps(
    label: str, shares: Mapping[str, float], progress: ShowProgress | None
) -> Iterator[Steps]:
    """Show how far some steps are as a user asks for it: by a bar, or by a function of theirs."""
    with shown(progress or False, label) as tell:
        yield Steps(shares, tell)
        if tell is not None:
            tell(1.0)
