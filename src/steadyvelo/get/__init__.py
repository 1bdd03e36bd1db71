"""Results as tables, either stored or recomputed from counts."""

from ._category_ratios import category_ratios
from ._cluster_graph import cluster_graph
from ._control_agreement import control_agreement
from ._direction_support import DirectionSupport, direction_support
from ._expected_direction import ExpectedDirection
from ._extrapolated import extrapolated
from ._paths import paths
from ._pseudotime_orientation import PseudotimeOrientation, pseudotime_orientation
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
    "PseudotimeOrientation",
    "category_ratios",
    "cluster_directions",
    "cluster_graph",
    "control_agreement",
    "direction_support",
    "extrapolated",
    "paths",
    "proportions",
    "pseudotime_orientation",
    "quality_checks",
    "ranked_genes",
    "ratio_differences",
    "reliability_checks",
    "sensitivity",
    "velocity",
    "velocity_se",
    "verdicts",
]
