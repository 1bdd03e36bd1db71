"""How a computation is divided into gene blocks and run in threads of this process.

The inputs and results are arrays and sparse matrices; this package uses no AnnData. A block has the
smoothed spliced and unspliced abundances of all cells for some genes. Fits, layers and sums over
edges are computed from one block before the next is made, so no dense array of cells × genes is
needed.
"""

from ._arrows_of_cells import Directions
from ._category_fits import CategoryFits
from ._category_lines import CategoryLines
from ._cell_groups import CellGroups
from ._cluster_connectivities import cluster_connectivities, spanning_tree
from ._cluster_flows import ClusterFlows, cluster_flows, flows_into
from ._comparison import fit_groups, group_ratios
from ._component_arrows import component_arrows
from ._confidence import velocity_agreement
from ._crossfit import CrossFitErrors, Repeat
from ._direction import (
    bytes_per_direction_value,
    find_directions,
    find_group_directions,
)
from ._edges import connected_parts, recursive_neighbors
from ._fidelity import edge_fidelity
from ._fit import FitResult, fit_ratios
from ._fit_rule import FitRule
from ._gene_checks import GeneChecks, check_genes
from ._graph_in_parts import correlation_graphs
from ._group_directions import GroupDirections
from ._kept_instruments import KeptInstruments, KnownInstruments
from ._memory import (
    BYTES_PER_VALUE,
    available_memory,
    block_bytes,
    check_dense_fits,
    dense_bytes,
    genes_per_block,
    return_free_memory,
    stores_dense,
)
from ._moment_source import CountsSource, LayerSource, MomentBlock, MomentSource
from ._net_flows import NetFlows, find_net_flows
from ._order import CellOrder
from ._paths import can_leave, drawn_paths, edges_of_walk, walk_distribution
from ._products import (
    row_products,
    shared_column_sums,
    weighted_column_sums,
    weighted_row_sums,
)
from ._ranked_neighbors import RankedNeighbors
from ._sandwich import SandwichErrors
from ._scratch import Scratch
from ._second_order import SecondOrder
from ._smoothing import SmoothingOperator
from ._spreading import Spreading
from ._threads import count_threads
from ._transitions import (
    project_transitions,
    self_transition_probability,
    transition_probabilities,
    with_diffusion,
)
from ._uncertainty import Uncertainty
from ._velocities import Lines, Velocities
from ._velocity_graph import EdgeCorrelation, split_signs
from ._walks import Steps, steps_against, steps_along, transposed_sum

__all__ = [
    "BYTES_PER_VALUE",
    "CategoryFits",
    "CategoryLines",
    "CellGroups",
    "CellOrder",
    "ClusterFlows",
    "CountsSource",
    "CrossFitErrors",
    "Directions",
    "EdgeCorrelation",
    "FitResult",
    "FitRule",
    "GeneChecks",
    "GroupDirections",
    "KeptInstruments",
    "KnownInstruments",
    "LayerSource",
    "Lines",
    "MomentBlock",
    "MomentSource",
    "NetFlows",
    "RankedNeighbors",
    "Repeat",
    "SandwichErrors",
    "Scratch",
    "SecondOrder",
    "SmoothingOperator",
    "Spreading",
    "Steps",
    "Uncertainty",
    "Velocities",
    "available_memory",
    "block_bytes",
    "bytes_per_direction_value",
    "can_leave",
    "check_dense_fits",
    "check_genes",
    "cluster_connectivities",
    "cluster_flows",
    "component_arrows",
    "connected_parts",
    "correlation_graphs",
    "count_threads",
    "dense_bytes",
    "drawn_paths",
    "edge_fidelity",
    "edges_of_walk",
    "find_directions",
    "find_group_directions",
    "find_net_flows",
    "fit_groups",
    "fit_ratios",
    "flows_into",
    "genes_per_block",
    "group_ratios",
    "project_transitions",
    "recursive_neighbors",
    "return_free_memory",
    "row_products",
    "self_transition_probability",
    "shared_column_sums",
    "spanning_tree",
    "split_signs",
    "steps_against",
    "steps_along",
    "stores_dense",
    "transition_probabilities",
    "transposed_sum",
    "velocity_agreement",
    "walk_distribution",
    "weighted_column_sums",
    "weighted_row_sums",
    "with_diffusion",
]
