"""What a command prints: lines and bars for people, one summary for programs, or only errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer

__all__ = ["AsJson", "Quiet", "Speech"]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print a summary for programs instead of lines.")
]


@dataclass(frozen=True)
class Speech:
    """Who listens: nobody to lines if `quiet`, a program to standard output if `as_json`."""

    quiet: bool = False
    as_json: bool = False

    def say(self, line: str) -> None:
        """Print a line to standard output, unless that belongs to the summary."""
        if not (self.quiet or self.as_json):
            print(line)

    def aside(self, line: str) -> None:
        """Print a line to standard error, above the bars that move there."""
        if not self.quiet:
            # looked up now: while bars move, it is theirs
            print(line, file=sys.stderr)

    def sum_up(self, summary: dict[str, Any]) -> None:
        """Print the summary, where one is asked for."""
        if self.as_json:
            print(json.dumps(summary, indent=1, allow_nan=False))

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, float], None]]:
        """Give a function that takes the name of a step and the share of it that is done.

        It moves a bar on a terminal and prints plain lines elsewhere.
        """
        if self.quiet or not sys.stderr.isatty():
            yield self._begin
            return
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        columns = (TextColumn("{task.description:<20}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as bars:
            tasks = {}

            def move(step: str, share: float) -> None:
                if step not in tasks:
                    tasks[step] = bars.add_task(step, total=1.0)
                bars.update(tasks[step], completed=share)

            yield move

    def _begin(self, step: str, share: float) -> None:
        if share == 0.0:
            self.aside(f"{step} …")
