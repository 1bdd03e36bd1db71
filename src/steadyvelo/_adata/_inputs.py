"""The data that a call reads from an AnnData, checked and hashed once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo.engine import weighted_column_sums
from steadyvelo.engine._edges import kept_edges

from ._checks import check_adata, check_counts, listed, warn
from ._draws import hash_names
from ._groups import used_cells
from ._kind_of_counts import is_normalised
from ._neighbor_graph import neighbor_graph
from ._provenance import gene_checksums, hash_cells, hash_pattern, hash_values

if TYPE_CHECKING:
    from collections.abc import Callable

    import scipy.sparse as sp
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["Inputs"]

_OF_COUNTS = ("counts", "sums", "molecules")
_OF_GRAPH = ("connectivities", "distances", "pattern")


class Inputs:
    """Counts, size factors and neighbours of an AnnData, which must not change meanwhile."""

    def __init__(self, adata: AnnData) -> None:
        check_adata(adata)
        self.adata = adata
        self._found: dict[tuple[str, str | None], Any] = {}

    def of_copy(
        self, copy: AnnData, *, new_neighbors: bool = False, new_counts: bool = False
    ) -> Inputs:
        """Return the inputs of a copy with the same cells and genes.

        What is known of cells and counts is kept; size factors are read again, and so are
        neighbours and counts if they are new.
        """
        inputs = Inputs(copy)
        inputs.cells_hash = self.cells_hash
        for name in ("cell_hashes", "gene_hashes"):
            if name in self.__dict__:
                inputs.__dict__[name] = self.__dict__[name]
        kept = {*(() if new_counts else _OF_COUNTS), *(() if new_neighbors else _OF_GRAPH)}
        inputs._found = {name: value for name, value in self._found.items() if name[0] in kept}
        return inputs

    @cached_property
    def cells_hash(self) -> str:
        """Hash of the names of cells in their order."""
        return hash_cells(self.adata)

    @cached_property
    def cell_hashes(self) -> NDArray[np.uint64]:
        """A number for each cell's name, from which random draws are computed."""
        return hash_names(self.adata.obs_names)

    @cached_property
    def gene_hashes(self) -> NDArray[np.uint64]:
        """A number for each gene's name."""
        return hash_names(self.adata.var_names)

    @cached_property
    def cells(self) -> NDArray[np.bool_]:
        """Cells that are used, shape (cells,)."""
        return used_cells(self.adata)

    @cached_property
    def factors_hash(self) -> str:
        """Hash of size factors and used cells."""
        fields = (_keys.SPLICED_FACTOR, _keys.UNSPLICED_FACTOR, _keys.CELLS_USED)
        return hash_values(*(f.read(self.adata) for f in fields if f.is_in(self.adata)))

    def counts(self, layer: str) -> Any:
        """Return a layer of counts in any format, after its values were checked."""
        return self._once("counts", layer, check_counts, self.adata, layer)

    def checksums(self, layer: str) -> NDArray[np.float64]:
        """Return a weighted sum of a layer over cells, for each gene."""
        return self._once("sums", layer, gene_checksums, self.adata.layers[layer])

    def molecules(self, layer: str) -> NDArray[np.float64] | None:
        """Return the sum of a layer over cells, for each gene; None if it is normalised."""
        made = _keys.SIZE_PARAMS.read(self.adata, default={})
        taken = [
            bool(made.get(f"{kind}_taken_as_normalised", False))
            for kind in ("spliced", "unspliced")
            if made.get(f"{kind}_layer") == layer
        ]
        return self._once("molecules", layer, _molecules, self.counts(layer), taken)

    def connectivities(self, neighbors_key: str | None) -> sp.csr_array[Any]:
        """Return the symmetric neighbour graph that is used for smoothing."""
        return self._graph(_keys.CONNECTIVITIES, neighbors_key)

    def distances(self, neighbors_key: str | None) -> sp.csr_array[Any]:
        """Return the directed graph of distances."""
        return self._graph(_keys.DISTANCES, neighbors_key)

    def direct_neighbors(
        self, neighbors_key: str | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the pattern of nearest neighbours, CSR, without cells that are not used."""
        graph, cells = self.distances(neighbors_key), self.cells
        indptr, indices = graph.indptr, graph.indices
        if not cells.all():
            keep = np.repeat(cells, np.diff(indptr)) & cells[indices]
            indptr, indices = kept_edges(indptr, indices, keep)
        isolated = (np.diff(indptr) == 0) & cells
        if isolated.all():
            msg = "the graph of distances has no edges; rerun pp.neighbors."
            raise ValueError(msg)
        if isolated.any():
            warn(
                f"{int(isolated.sum()):,} cells have no neighbours "
                f"({listed(self.adata.obs_names[isolated], 3)}), so they get no arrows; "
                "leave them out, or rerun pp.neighbors."
            )
        return indptr.astype(np.int64), indices.astype(np.int32)

    def neighbors_hash(self, neighbors_key: str | None) -> str:
        """Return a hash of the pattern of the graph that is used for smoothing."""
        graph = self.connectivities(neighbors_key)
        return self._once("pattern", neighbors_key, hash_pattern, graph)

    def _graph(self, field: _keys.Field, neighbors_key: str | None) -> Any:
        where = self.adata, field, neighbors_key, self.cells_hash
        return self._once(field.name, neighbors_key, neighbor_graph, *where)

    def _once(self, what: str, name: str | None, read: Callable[..., Any], *inputs: Any) -> Any:
        if (what, name) not in self._found:
            self._found[what, name] = read(*inputs)
        return self._found[what, name]


def _molecules(counts: Any, taken: list[bool]) -> NDArray[np.float64] | None:
    """Return sums over cells; None for normalised values, by what was said or by the values."""
    if taken[0] if taken else is_normalised(counts):
        return None
    return weighted_column_sums(counts, np.ones(counts.shape[0]))
