"""One page that says what the data support."""

from __future__ import annotations

from ._verdicts import headline
from ._write import write

__all__ = ["headline", "write"]
