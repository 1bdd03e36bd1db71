"""The velocity graph that lies in an AnnData."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import check_positive
from steadyvelo._adata._provenance import check_cells
from steadyvelo.engine import self_transition_probability

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit

__all__ = ["StoredGraph", "checked_scale"]


@dataclass(frozen=True, eq=False)
class StoredGraph:
    """Correlations of both signs, and the fit that they were made of.

    Attributes
    ----------
    fit
        The fit.
    positive, negative
        Correlations of either sign, cells × cells.
    """

    fit: Fit
    positive: sp.csr_matrix[Any]
    negative: sp.csr_matrix[Any]

    @classmethod
    def read(cls, fit: Fit) -> StoredGraph:
        """Read the graph of a fit; refuse where there is none, or one of other cells."""
        remedy = f"run tl.velocity_graph(adata, velocity_key={fit.key!r}) first."
        graphs = [
            sp.csr_matrix(field.read(fit.adata, fit.key, remedy=remedy))
            for field in (_keys.GRAPH, _keys.GRAPH_NEG)
        ]
        made_from = fit.params.made_from
        rerun = "pp.neighbors, tl.velocity, tl.velocity_graph"
        cells = made_from.cells_hash, made_from.n_cells
        check_cells(fit.adata, *cells, "the velocity graph", rerun, fit.inputs.cells_hash)
        return cls(fit, *graphs)

    def self_transition(self) -> NDArray[np.float64]:
        """Return how much each cell stays, against the cells that are not flagged."""
        return self_transition_probability(self.positive, self.fit.inputs.cells)


def checked_scale(scale: float) -> float:
    """Return λ of the transition probabilities; refuse what is not positive."""
    check_positive("scale", scale)
    return scale
