"""How good a velocity field is, against known order or known truth."""

from ._cross_boundary import cross_boundary_direction
from ._truth import agreement_with_truth

__all__ = ["agreement_with_truth", "cross_boundary_direction"]
