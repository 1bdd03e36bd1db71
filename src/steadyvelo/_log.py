"""What the package says of its work: plain lines of the logger "steadyvelo".

They are shown on standard error as far as ``settings.verbosity`` allows. Whoever adds a handler to
the logger gets them instead.
"""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["detail", "heard_by", "logger", "remark", "say"]

logger = logging.getLogger("steadyvelo")


class _Lines(logging.Handler):
    """Shows plain lines on standard error, unless others were asked to handle them."""

    def emit(self, record: logging.LogRecord) -> None:
        if [handler for handler in logger.handlers if handler is not self]:
            return
        # looked up now: a notebook or a bar that moves may have put its own in place
        print(record.getMessage(), file=sys.stderr)


class _Hearer(logging.Handler):
    """Gives results to one function and everything else to another."""

    def __init__(self, result: Callable[[str], None], other: Callable[[str], None]) -> None:
        super().__init__()
        self.result, self.other = result, other

    def emit(self, record: logging.LogRecord) -> None:
        hear = self.result if getattr(record, "is_result", False) else self.other
        hear(record.getMessage())


def say(text: str) -> None:
    """Say what was found or done: the result of a command."""
    if settings.verbosity >= 1:
        # text may hold percent signs
        logger.info("%s", text, extra={"is_result": True})


def remark(text: str) -> None:
    """Say something in passing, as the step that begins."""
    if settings.verbosity >= 1:
        logger.info("%s", text)


def detail(text: str) -> None:
    """Say what only someone who looks closely wants to know."""
    if settings.verbosity >= 2:
        logger.debug("%s", text)


@contextmanager
def heard_by(result: Callable[[str], None], other: Callable[[str], None]) -> Iterator[None]:
    """Give every line to a function for a while: what :func:`say` says, and everything else."""
    handler = _Hearer(result, other)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


logger.setLevel(logging.DEBUG)
# a line is not shown a second time by a program that has set up the root logger
logger.propagate = False
logger.addHandler(_Lines())
