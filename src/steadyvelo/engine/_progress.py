"""A progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ShowProgress", "part_of", "shown"]

ShowProgress: TypeAlias = bool | Callable[[float], None]


@contextmanager
def shown(progress: ShowProgress, label: str) -> Iterator[Callable[[float], None] | None]:
    """Yield a function that is called with the share done: the user's, or a bar's on stderr."""
    if callable(progress):
        yield progress
    elif not progress:
        yield None
    else:
        from rich.console import Console  # noqa: PLC0415 (imported only if a bar is shown)
        from rich.progress import Progress  # noqa: PLC0415

        # results that are redirected to a file must not be captured by the bar
        own = sys.stdout.isatty()
        with Progress(console=Console(stderr=True), redirect_stdout=own) as bar:
            task = bar.add_task(label, total=1.0)
            yield lambda share: bar.update(task, completed=share)


def part_of(
    progress: Callable[[float], None] | None, start: float, stop: float
) -> Callable[[float], None] | None:
    """Return the function for a part of the work, from `start` to `stop` of the whole."""
    if progress is None:
        return None
    return lambda done: progress(start + (stop - start) * done)
