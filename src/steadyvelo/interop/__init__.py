"""Formats of other packages."""

from ._scvelo import to_scvelo

__all__ = ["to_scvelo"]
