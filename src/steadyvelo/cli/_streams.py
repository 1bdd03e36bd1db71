"""Standard output and error of a command, which may be closed, full, or unable to show a letter."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

__all__ = ["guard_streams", "output_lost"]


class _Guarded:
    """A stream of which a failed write stops no work; all else is that of the stream."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text, unless the stream is lost."""
        self._try(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Pass on what was written, unless the stream is lost."""
        self._try(self.stream.flush)

    def _try(self, work: Any) -> None:
        if self.lost:
            return
        try:
            work()
        except (OSError, ValueError):
            # closed by its reader, such as `| head`, or on a full disk
            self.lost = True
            # what is still in its buffer has to go somewhere when Python ends
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


def guard_streams() -> None:
    """Make standard output and error safe to write to, for this process."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed before the program began
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (until the end)
        else:
            # a letter that the terminal's encoding lacks, such as the ² of R², becomes an escape
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, _Guarded(stream))


def output_lost() -> bool:
    """Tell whether some of the output could not be written."""
    sys.stdout.flush()
    return bool(getattr(sys.stdout, "lost", False))
