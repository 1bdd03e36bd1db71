"""A bar that moves while a function works."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ShowProgress", "shown"]

ShowProgress: TypeAlias = bool | Callable[[float], None]


@contextmanager
def shown(progress: ShowProgress, label: str) -> Iterator[Callable[[float], None] | None]:
    """Give what is called with the share that is done: the user's function, or a bar on stderr."""
    if callable(progress):
        yield progress
    elif not progress:
        yield None
    else:
        from rich.console import Console  # noqa: PLC0415 (only where a bar is wanted)
        from rich.progress import Progress  # noqa: PLC0415

        # results that go to a file do not belong to the bar's terminal
        own = sys.stdout.isatty()
        with Progress(console=Console(stderr=True), redirect_stdout=own) as bar:
            task = bar.add_task(label, total=1.0)
            yield lambda share: bar.update(task, completed=share)
