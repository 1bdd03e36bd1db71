"""One page that says what the data support."""

from ._verdicts import headline
from ._write import write

__all__ = ["headline", "write"]
