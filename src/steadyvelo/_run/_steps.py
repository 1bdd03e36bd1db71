"""The steps of a run: timed, and reported while they go on."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Steps"]


class Steps:
    """Times steps and reports on them."""

    def __init__(self, report: Callable[[str, float], None] | None) -> None:
        self.report = report if report is not None else _say_nothing
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[Callable[[float], None]]:
        started = time.perf_counter()
        self.report(name, 0.0)
        # a step that reports itself ends at 1 before it has written its result
        yield lambda share: self.report(name, min(share, 0.999))
        self.seconds[name] = time.perf_counter() - started
        self.report(name, 1.0)


def _say_nothing(_step: str, _share: float) -> None:
    """Report nothing."""
