"""Handing results to other packages."""

from __future__ import annotations

from ._scvelo import to_scvelo

__all__ = ["to_scvelo"]
