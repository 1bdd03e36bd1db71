"""The output of a command: lines and progress bars, a JSON summary, or only errors."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steadyvelo._log import heard_by
from steadyvelo._printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["AsJson", "Quiet", "Speech"]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON summary instead of lines.")]


@dataclass(frozen=True)
class Speech:
    """Output without lines if `quiet`, and with a JSON summary on standard output if `as_json`."""

    quiet: bool = False
    as_json: bool = False

    @property
    def bars(self) -> bool:
        """Whether progress is shown: by bars in a terminal, elsewhere by lines."""
        return not self.quiet

    def say(self, line: str) -> None:
        """Print a line to standard output, unless lines are off or it has the JSON summary."""
        if not (self.quiet or self.as_json):
            print(printable(line))

    def sum_up(self, summary: dict[str, Any]) -> None:
        """Print the JSON summary, if it is asked for."""
        if self.as_json:
            print(json.dumps(summary, indent=1, allow_nan=False))

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Print messages of functions: results as lines, remarks to standard error."""
        with heard_by(self.say, self._remark):
            yield

    def _remark(self, line: str) -> None:
        if not self.quiet:
            # looked up here, because progress bars replace sys.stderr
            print(printable(line), file=sys.stderr)
