"""What a command prints: lines for people, one summary for programs, or nothing but errors."""

from __future__ import annotations

import json
import sys
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
    """Who listens.

    Attributes
    ----------
    quiet
        Nobody wants lines.
    as_json
        Standard output belongs to the summary.
    """

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
