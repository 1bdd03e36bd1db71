"""What the package reports: plain lines of the logger "steadyvelo".

They are shown on standard error, depending on ``settings.verbosity``. If a handler is added to the
logger, it gets the lines instead.
"""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from ._printable import printable
from ._settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["depth", "detail", "done", "heard_by", "logger", "nested", "passing", "remark", "say"]

logger = logging.getLogger("steadyvelo")
# how many public functions are at work within each other
depth: ContextVar[int] = ContextVar("depth", default=0)


class _Lines(logging.Handler):
    """Shows plain lines on standard error, unless the logger has other handlers."""

    def emit(self, record: logging.LogRecord) -> None:
        if [handler for handler in logger.handlers if handler is not self]:
            return
        # sys.stderr is read now, because a notebook or a progress bar may have replaced it
        print(record.getMessage(), file=sys.stderr)


class _Hearer(logging.Handler):
    """Passes results to one function and all other lines to another."""

    def __init__(self, result: Callable[[str], None], other: Callable[[str], None]) -> None:
        super().__init__()
        self.result, self.other = result, other

    def emit(self, record: logging.LogRecord) -> None:
        hear = self.result if getattr(record, "is_result", False) else self.other
        hear(record.getMessage())


def say(text: str) -> None:
    """Report a result: what was found or done."""
    if settings.verbosity >= 1:
        # text may contain percent signs
        logger.info("%s", printable(text), extra={"is_result": True})


def remark(text: str) -> None:
    """Report something else, such as the beginning of a step."""
    if settings.verbosity >= 1:
        logger.info("%s", printable(text))


def done(text: str) -> None:
    """Report what a function did: if the user called it; within another one it is a detail."""
    (say if depth.get() <= 1 else detail)(text)


def passing(text: str) -> None:
    """Report the step that begins: to the user of a function; within another one as a detail."""
    (remark if depth.get() <= 1 else detail)(text)


def detail(text: str) -> None:
    """Report a detail, which is shown with verbosity 2."""
    if settings.verbosity >= 2:
        logger.debug("%s", printable(text))


@contextmanager
def nested(levels: int = 1) -> Iterator[None]:
    """Treat what is called for a while as called by other functions of this package."""
    before = depth.set(depth.get() + levels)
    try:
        yield
    finally:
        depth.reset(before)


@contextmanager
def heard_by(result: Callable[[str], None], other: Callable[[str], None]) -> Iterator[None]:
    """Pass lines of :func:`say` to one function and all other lines to another for a while."""
    handler = _Hearer(result, other)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


logger.setLevel(logging.DEBUG)
# without this, lines would be shown twice in programs that configure the root logger
logger.propagate = False
logger.addHandler(_Lines())
