"""What a command prints: lines and bars for people, one summary for programs, or only errors."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steadyvelo._log import heard_by

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    @property
    def bars(self) -> bool:
        """Whether bars are shown: to a person at a terminal."""
        return not self.quiet and sys.stderr.isatty()

    def say(self, line: str) -> None:
        """Print a line to standard output, unless that belongs to the summary."""
        if not (self.quiet or self.as_json):
            print(line)

    def sum_up(self, summary: dict[str, Any]) -> None:
        """Print the summary, where one is asked for."""
        if self.as_json:
            print(json.dumps(summary, indent=1, allow_nan=False))

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Print what functions say for a while: results as lines, remarks to standard error."""
        with heard_by(self.say, self._remark):
            yield

    def _remark(self, line: str) -> None:
        if not self.quiet:
            # looked up now: while bars move, it is theirs
            print(line, file=sys.stderr)
