"""What a command prints: lines and bars for people, one summary for programs, or only errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from steadyvelo._log import heard_by
from steadyvelo._settings import settings

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

    @property
    def bars(self) -> bool:
        """Whether someone sees bars that move."""
        return not self.quiet and sys.stderr.isatty()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Print what functions say: results as lines of the command, the rest beside them."""
        verbosity = 0 if self.quiet else settings.verbosity
        with settings.override(verbosity=verbosity), heard_by(self.say, self.aside):
            yield
