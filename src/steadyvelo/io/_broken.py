"""Files that a library cannot read, refused in plain words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["refusing"]


@contextmanager
def refusing(said: str, *errors: type[Exception]) -> Iterator[None]:
    """Refuse a file in the words given where a library raises one of the errors over it."""
    try:
        yield
    except MemoryError:  # no fault of the file
        raise
    except errors as error:
        msg = f"{said} {error}"
        raise ValueError(msg) from error
