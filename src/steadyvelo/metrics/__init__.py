"""Comparison of velocities with a known order of clusters or with known truth."""

from ._cross_boundary import cross_boundary_direction
from ._truth import agreement_with_truth

__all__ = ["agreement_with_truth", "cross_boundary_direction"]
