"""Progress of the steps: a moving bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["showing"]


@contextmanager
def showing(*, quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Give a function that takes the name of a step and the share of it that is done."""
    if quiet:
        yield _nothing
        return
    if not sys.stderr.isatty():
        yield _plain
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description:<20}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def report(step: str, share: float) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=1.0)
            bars.update(tasks[step], completed=share)

        yield report


def _plain(step: str, share: float) -> None:
    if share == 0.0:
        sys.stderr.write(f"{step} …\n")


def _nothing(_step: str, _share: float) -> None:
    """Say nothing."""
