"""Pictures. Every function accepts and returns matplotlib axes; ``show=True`` opens a window."""

from ._cluster_graph import cluster_graph
from ._control import control
from ._gene_velocity import gene_velocity
from ._heatmap import heatmap
from ._paths import paths
from ._phase_portrait import phase_portrait
from ._proportions import proportions
from ._rank_genes import rank_genes
from ._reliability import reliability
from ._velocity_arrows import velocity_arrows
from ._velocity_graph import velocity_graph
from ._velocity_grid import velocity_grid
from ._velocity_stream import velocity_stream

__all__ = [
    "cluster_graph",
    "control",
    "gene_velocity",
    "heatmap",
    "paths",
    "phase_portrait",
    "proportions",
    "rank_genes",
    "reliability",
    "velocity_arrows",
    "velocity_graph",
    "velocity_grid",
    "velocity_stream",
]
