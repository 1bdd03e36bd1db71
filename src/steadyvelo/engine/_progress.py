"""Progress: a bar in a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ShowProgress", "part_of", "shown"]

ShowProgress: TypeAlias = bool | Callable[[float], None]

# seconds of work without lines, except the last
_SHORT, _ALL = 10.0, 10


@contextmanager
def shown(progress: ShowProgress, label: str) -> Iterator[Callable[[float], None] | None]:
    """Yield a function that is called with the share done: the user's, or a bar's on stderr.

    If stderr is no terminal, lines are printed instead of the bar, one at every tenth of the work.
    """
    if callable(progress):
        yield progress
    elif not progress:
        yield None
    else:
        from rich.console import Console  # noqa: PLC0415 (imported only if a bar is shown)
        from rich.progress import Progress  # noqa: PLC0415

        console = Console(stderr=True)
        if not (console.is_terminal or console.is_jupyter):
            yield _lines(label)
            return

        # results that are redirected to a file must not be captured by the bar
        own = sys.stdout.isatty()
        with Progress(console=console, redirect_stdout=own) as bar:
            task = bar.add_task(label, total=1.0)
            yield lambda share: bar.update(task, completed=share)


def _lines(label: str) -> Callable[[float], None]:
    """Return a function that prints a line at every tenth; in the first seconds only the last."""
    started, said = time.monotonic(), 0

    def tell(share: float) -> None:
        nonlocal said
        tenths = int(10 * share)
        if tenths > said:
            said = tenths
            if tenths >= _ALL or time.monotonic() - started >= _SHORT:
                print(f"{label}: {10 * tenths} %", file=sys.stderr, flush=True)

    return tell


def part_of(
    progress: Callable[[float], None] | None, start: float, stop: float
) -> Callable[[float], None] | None:
    """Return the function for a part of the work, from `start` to `stop` of the whole."""
    if progress is None:
        return None
    return lambda done: progress(start + (stop - start) * done)
