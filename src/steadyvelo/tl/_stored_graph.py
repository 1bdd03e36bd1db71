"""The velocity graph that is stored in an AnnData."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._chain import rerun_chain
from steadyvelo.engine import (
    CellGroups,
    CellOrder,
    SmoothingOperator,
    connected_parts,
    project_transitions,
    self_transition_probability,
    transition_probabilities,
    transposed_sum,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit

__all__ = ["GraphPart", "StoredGraph"]

# cells from which on searches for eigenvectors start from groups of cells
_MANY = 20_000


class GraphPart(NamedTuple):
    """The graph between some cells, in the order of `cells`, their positions in the AnnData.

    `graphs` are positive and negative correlations, `turned` the transpose of their sum, and
    `neighbors` means over the neighbourhoods among the cells. With many cells, `groups` are groups
    of them from which a search for eigenvectors can start.
    """

    cells: NDArray[np.intp]
    graphs: tuple[sp.csr_matrix[Any], sp.csr_matrix[Any]]
    turned: sp.csr_matrix[Any]
    neighbors: sp.csr_array[Any] | sp.csr_matrix[Any]
    groups: CellGroups | None


@dataclass(frozen=True, eq=False)
class StoredGraph:
    """Positive and negative correlations, cells × cells, and the fit that they belong to."""

    fit: Fit
    positive: sp.csr_matrix[Any]
    negative: sp.csr_matrix[Any]
    _kept: list[tuple[NDArray[np.bool_], GraphPart]] = field(default_factory=list, repr=False)

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

    def neighbors(self, cells: NDArray[np.bool_]) -> sp.csr_array[Any]:
        """Return the neighbours by distance among some cells; those at no distance are none."""
        distances = self.fit.inputs.distances(self.fit.graph.neighbors_key)
        near = distances.copy() if cells.all() else distances[cells][:, cells]
        near.eliminate_zeros()
        return near

    def part(self, cells: NDArray[np.bool_], n_threads: int) -> GraphPart:
        """Return the graph between some cells, and their neighbours by distance, themselves too.

        The last part with many cells is kept for a second search.
        """
        if self._kept and np.array_equal(self._kept[0][0], cells):
            return self._kept[0][1]
        self._kept.clear()
        chosen = np.flatnonzero(cells)
        graphs = self.within(cells)
        near = SmoothingOperator.from_connectivities(self.neighbors(cells)).to_matrix()
        if len(chosen) < _MANY:
            return GraphPart(chosen, graphs, transposed_sum(*graphs, n_threads), near, None)
        # neighbours are close in memory, which makes products with several vectors fast
        order = CellOrder.along(near.indptr.astype(np.int64), near.indices)
        positive, negative, near = (order.permuted(x, n_threads) for x in (*graphs, near))
        chosen = chosen[order.cell_of_row]
        by_name = np.argsort(self.fit.inputs.cell_hashes[chosen], kind="stable")
        groups = CellGroups.along(sp.csr_array(near), by_name)
        turned = transposed_sum(positive, negative, n_threads)
        part = GraphPart(chosen, (positive, negative), turned, near, groups)
        self._kept.append((cells, part))
        return part

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
