"""Results as tables, either stored or recomputed from counts."""

from ._direction_support import DirectionSupport, direction_support
from ._expected_direction import ExpectedDirection
from ._quality_checks import proportions, quality_checks
from ._tables import (
    cluster_directions,
    ranked_genes,
    ratio_differences,
    reliability_checks,
    sensitivity,
    verdicts,
)
from ._velocity import velocity
from ._velocity_se import velocity_se

__all__ = [
    "DirectionSupport",
    "ExpectedDirection",
    "cluster_directions",
    "direction_support",
    "proportions",
    "quality_checks",
    "ranked_genes",
    "ratio_differences",
    "reliability_checks",
    "sensitivity",
    "velocity",
    "velocity_se",
    "verdicts",
]
