"""Steady-state fits, velocities, velocity graphs, arrows and their tests."""

from ._check_model import check_model
from ._cluster_graph import cluster_graph
from ._compare_ratios import compare_ratios
from ._direction import direction
from ._paths import paths
from ._randomized_velocity import randomized_velocity
from ._rank_velocity_genes import rank_velocity_genes
from ._reliability import reliability
from ._sensitivity import sensitivity
from ._terminal_states import terminal_states
from ._transition_matrix import transition_matrix
from ._velocity import velocity
from ._velocity_confidence import velocity_confidence
from ._velocity_embedding import velocity_embedding
from ._velocity_graph import velocity_graph
from ._velocity_pseudotime import velocity_pseudotime
from ._walk import walk

__all__ = [
    "check_model",
    "cluster_graph",
    "compare_ratios",
    "direction",
    "paths",
    "randomized_velocity",
    "rank_velocity_genes",
    "reliability",
    "sensitivity",
    "terminal_states",
    "transition_matrix",
    "velocity",
    "velocity_confidence",
    "velocity_embedding",
    "velocity_graph",
    "velocity_pseudotime",
    "walk",
]
