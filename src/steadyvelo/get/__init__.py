"""Values that follow from a result, as tables."""

from __future__ import annotations

from ._velocity import velocity
from ._velocity_se import velocity_se

__all__ = ["velocity", "velocity_se"]
