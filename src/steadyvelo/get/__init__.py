"""Results as tables: what is stored, and what is recomputed from counts."""

from ._quality_checks import proportions, quality_checks
from ._velocity import velocity
from ._velocity_se import velocity_se

__all__ = ["proportions", "quality_checks", "velocity", "velocity_se"]
