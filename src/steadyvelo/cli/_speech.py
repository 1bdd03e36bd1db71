"""What a command prints: lines for people, one summary for programs, or nothing but errors."""

from __future__ import annotations

import json
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
            typer.echo(line)

    def aside(self, line: str) -> None:
        """Print a line to standard error."""
        if not self.quiet:
            typer.echo(line, err=True)

    def sum_up(self, summary: dict[str, Any]) -> None:
        """Print the summary, where one is asked for."""
        if self.as_json:
            typer.echo(json.dumps(summary, indent=1))
