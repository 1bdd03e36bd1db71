"""A page that says which directions the data support."""

from ._verdicts import headline
from ._write import write

__all__ = ["headline", "write"]
