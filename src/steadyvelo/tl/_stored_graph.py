"""The velocity graph that is stored in an AnnData."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._chain import rerun_chain
from steadyvelo.engine import (
    CellGroups,
    CellOrder,
    connected_parts,
    project_transitions,
    self_transition_probability,
    transition_probabilities,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit

__all__ = ["GraphPart", "StoredGraph"]

# cells from which on searches for eigenvectors start from groups of cells
_MANY = 20_000


class GraphPart(NamedTuple):
    """The graph between some cells, in the order of `cells`, their positions in the AnnData.

    `graphs` are positive and negative correlations, and `neighbors` the neighbours among them. With
    many cells, `groups` are groups of them from which a search for eigenvectors can start.
    """

    cells: NDArray[np.intp]
    graphs: tuple[sp.csr_matrix[Any], sp.csr_matrix[Any]]
    neighbors: sp.csr_array[Any] | sp.csr_matrix[Any]
    groups: CellGroups | None


@dataclass(frozen=True, eq=False)
class StoredGraph:
    """Positive and negative correlations, cells × cells, and the fit that they belong to."""

    fit: Fit
    positive: sp.csr_matrix[Any]
    negative: sp.csr_matrix[Any]

    @classmethod
    def read(cls, fit: Fit) -> StoredGraph:
        """Read the graph of a fit; raise an error if it is missing or has other cells."""
        fields, remedy = (_keys.GRAPH, _keys.GRAPH_NEG), ""
        if not all(field.is_in(fit.adata, fit.key) for field in fields):
            last = f"tl.velocity_graph(adata, velocity_key={fit.key!r})"
            remedy = f"run {rerun_chain(fit.adata, last, key=fit.key)} first."
        graphs = [sp.csr_matrix(field.read(fit.adata, fit.key, remedy=remedy)) for field in fields]
        fit.check_cells("the velocity graph", "tl.velocity", "tl.velocity_graph")
        return cls(fit, *graphs)

    @property
    def graphs(self) -> tuple[sp.csr_matrix[Any], sp.csr_matrix[Any]]:
        """Positive and negative correlations."""
        return self.positive, self.negative

    def parts(self) -> NDArray[np.int32]:
        """Return the number of each cell's connected part."""
        return connected_parts(*self.graphs)

    def within(self, cells: NDArray[np.bool_]) -> tuple[sp.csr_matrix[Any], sp.csr_matrix[Any]]:
        """Return correlations between some cells, without a copy if these are all."""
        if cells.all():
            return self.graphs
        positive, negative = (graph[cells][:, cells] for graph in self.graphs)
        return positive, negative

    def part(self, cells: NDArray[np.bool_], neighbors: sp.csr_array[Any]) -> GraphPart:
        """Return the graph between some cells, and their neighbours."""
        chosen = np.flatnonzero(cells)
        graphs = self.within(cells)
        near = neighbors if cells.all() else neighbors[cells][:, cells]
        if len(chosen) < _MANY:
            return GraphPart(chosen, graphs, near, None)
        # neighbours are close in memory, which makes products with several vectors fast
        order = CellOrder.along(near.indptr.astype(np.int64), near.indices.astype(np.int32))
        positive, negative, near = (order.permuted(sp.csr_matrix(x)) for x in (*graphs, near))
        chosen = chosen[order.cell_of_row]
        by_name = np.argsort(self.fit.inputs.cell_hashes[chosen], kind="stable")
        groups = CellGroups.along(sp.csr_array(near), by_name)
        return GraphPart(chosen, (positive, negative), near, groups)

    def self_transition(self) -> NDArray[np.float64]:
        """Return the self-transitions; their percentile is that of the cells that are used."""
        return self_transition_probability(self.positive, self.fit.inputs.cells)

    def transitions(
        self,
        scale: float,
        n_threads: int,
        *,
        self_transitions: bool = True,
        backward: bool = False,
        **form: Any,
    ) -> sp.csr_matrix[Any]:
        """Return transition probabilities with λ = `scale`; `form` are options of the engine.

        Backward, they are those of edges in the other direction. So each weight is transposed
        before rows are divided by their sums.
        """
        graphs = [graph.T.tocsr() if backward else graph for graph in self.graphs]
        stay = self.self_transition() if self_transitions else None
        options = {"scale": scale, "self_transition": stay, "n_threads": n_threads, **form}
        return transition_probabilities(*graphs, **options)

    def connectivities(self) -> sp.csr_array[Any]:
        """Return the connectivities of the neighbours of the graph, between cells that are used."""
        self.fit.check_unchanged()
        inputs = self.fit.inputs
        graph = inputs.connectivities(self.fit.graph.neighbors_key)
        used = sp.diags_array(inputs.cells.astype(np.float32))
        return graph if inputs.cells.all() else sp.csr_array(used @ graph @ used)

    def arrows(
        self,
        embedding: NDArray[np.float64],
        scale: float,
        n_threads: int,
        *,
        self_transitions: bool = True,
    ) -> NDArray[np.float64]:
        """Return arrows on an embedding; NaN for cells without edges."""
        stay = self.self_transition() if self_transitions else None
        options = {"scale": scale, "self_transition": stay, "n_threads": n_threads}
        return project_transitions(self.positive, self.negative, embedding, **options)
