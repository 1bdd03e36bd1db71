"""What the steps of one run need more than once, and keep until its end."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._ahead import Ahead

__all__ = ["Kept", "kept_results", "now_kept", "once"]

Made = TypeVar("Made")


@dataclass(eq=False)
class Kept:
    """Results that are kept.

    Attributes
    ----------
    looks_ahead
        Whether checks and directions follow on the fit, which then computes what they need.
    ahead
        What fits have computed for them, by velocity key.
    made
        Graphs of folds, by all from which they were made.
    """

    looks_ahead: bool
    ahead: dict[str, Ahead] = field(default_factory=dict)
    made: dict[tuple[object, ...], Any] = field(default_factory=dict)


_KEPT: ContextVar[Kept | None] = ContextVar("kept", default=None)


@contextmanager
def kept_results(*, look_ahead: bool = False) -> Iterator[None]:
    """Keep results for the steps inside; a call inside another one changes nothing."""
    if _KEPT.get() is not None:
        yield
        return
    token = _KEPT.set(Kept(look_ahead))
    try:
        yield
    finally:
        _KEPT.reset(token)


def now_kept() -> Kept | None:
    """Return what is kept now; None outside of :func:`kept_results`."""
    return _KEPT.get()


def once(key: Callable[[], tuple[object, ...]], make: Callable[[], Made]) -> Made:
    """Return what was made under the same key, or make it."""
    kept = _KEPT.get()
    if kept is None:
        return make()
    name = key()
    if name not in kept.made:
        kept.made[name] = make()
    made: Made = kept.made[name]
    return made
