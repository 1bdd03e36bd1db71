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

__all__ = ["detail", "heard_by", "logger", "say"]

logger = logging.getLogger("steadyvelo")


class _Lines(logging.Handler):
    """Shows plain lines on standard error, unless others were asked to handle them."""

    def emit(self, record: logging.LogRecord) -> None:
        if [handler for handler in logger.handlers if handler is not self]:
            return
        # looked up now: a notebook or a bar that moves may have put its own in place
        print(record.getMessage(), file=sys.stderr)


class _Hearer(logging.Handler):
    """Gives lines to a function."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__()
        self.hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self.hear(record.getMessage())


def say(text: str) -> None:
    """Say what was done."""
    if settings.verbosity >= 1:
        # text may hold percent signs
        logger.info("%s", text)


def detail(text: str) -> None:
    """Say what only someone who looks closely wants to know."""
    if settings.verbosity >= 2:
        logger.debug("%s", text)


@contextmanager
def heard_by(hear: Callable[[str], None]) -> Iterator[None]:
    """Give every line to a function for a while, in place of standard error."""
    handler = _Hearer(hear)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


logger.setLevel(logging.DEBUG)
# a line is not shown a second time by a program that has set up the root logger
logger.propagate = False
logger.addHandler(_Lines())
