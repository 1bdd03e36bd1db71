"""Values that follow from a result, as tables."""

from __future__ import annotations

from ._velocity import velocity

__all__ = ["velocity"]
