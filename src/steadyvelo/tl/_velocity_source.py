"""Expression and velocity of velocity genes block by block, and the cells' direct neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import listed, warn
from steadyvelo._adata._groups import used_cells
from steadyvelo._adata._moments import (
    check_fit_unchanged,
    fitted_source,
    moments_of_fit,
)
from steadyvelo._adata._neighbor_graph import distances
from steadyvelo._warnings import NoVelocityGenesError
from steadyvelo.engine import CellOrder, LayerSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fitted
    from steadyvelo.engine import MomentSource

__all__ = ["VelocitySource", "direct_neighbors", "velocity_genes", "velocity_source"]


@dataclass(frozen=True, eq=False)
class VelocitySource:
    """Blocks of velocity genes with their velocities.

    Attributes
    ----------
    moments
        Where blocks come from.
    gamma, offset
        Lines of the genes; None where the layer of velocities stands in the place of Mu.
    """

    moments: MomentSource
    gamma: NDArray[np.float64] | None
    offset: NDArray[np.float64] | None

    @property
    def order(self) -> CellOrder:
        """Order of the rows."""
        return self.moments.order

    def blocks(
        self,
        genes_per_block: int,
        n_threads: int = 1,
        progress: Callable[[float], None] | None = None,
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Yield expression x and velocity v of some genes, float32, shape (cells, genes).

        The arrays are used again for the next block.
        """
        for block in self.moments.blocks(genes_per_block, n_threads):
            if self.gamma is None or self.offset is None:
                yield block.spliced, block.unspliced
            else:
                lines = self.gamma[block.genes], self.offset[block.genes]
                # in the place of u, which nothing needs any more
                yield block.spliced, block.velocity(*lines, n_threads, block.unspliced)
            if progress is not None:
                progress(block.genes.stop / self.moments.n_genes)


def velocity_genes(adata: AnnData, fitted: Fitted) -> NDArray[np.int64]:
    """Return the places of the velocity genes; refuse if they are too few or no longer used."""
    genes = np.flatnonzero(fitted.velocity_genes & ~np.isnan(fitted.gamma))
    if len(genes) < 2:
        reasons = adata.var[_keys.REASON.of(fitted.key)].astype(str).value_counts()
        why = ", ".join(f"{n:,} {reason}" for reason, n in reasons.items() if reason)
        msg = (
            f"{len(genes)} velocity genes are too few for a correlation over genes (the others: "
            f"{why}). The data hold little splicing signal; min_r2 and min_gamma set the bar."
        )
        raise NoVelocityGenesError(msg)
    if _keys.GENES_USED.of() in adata.var:
        used = adata.var[_keys.GENES_USED.of()].to_numpy(dtype=bool)
        if not used[genes].all():
            msg = (
                f"{int((~used[genes]).sum()):,} velocity genes are no longer marked in "
                f"var[{_keys.GENES_USED.of()!r}]; rerun tl.velocity."
            )
            raise ValueError(msg)
    return genes


def velocity_source(
    adata: AnnData,
    fitted: Fitted,
    genes: NDArray[np.int64],
    neighbors: tuple[NDArray[np.int64], NDArray[np.int32]],
) -> VelocitySource:
    """Return the blocks of some velocity genes.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`.
    fitted
        That result.
    genes
        Places of velocity genes.
    neighbors
        CSR pattern along which cells are ordered.
    """
    layer = _keys.VELOCITY.of(fitted.key)
    has_moments = moments_of_fit(adata, fitted.params)
    order = CellOrder.along(*neighbors) if has_moments else None
    # both layers of one fit, or both made anew from what it was made of
    if layer in adata.layers and order is not None:
        check_fit_unchanged(adata, fitted.params, fitted.key)
        layers = adata.layers[_keys.MS.of()], adata.layers[layer]
        return VelocitySource(LayerSource(*layers, genes, order), None, None)
    source = fitted_source(adata, genes, fitted.params, fitted.key, order)
    return VelocitySource(source, fitted.gamma[genes], fitted.offset[genes])


def direct_neighbors(
    adata: AnnData, neighbors_key: str | None
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the pattern of nearest neighbours, CSR, without cells that are flagged."""
    graph, cells = distances(adata, neighbors_key), used_cells(adata)
    if not cells.all():
        keep = np.repeat(cells, np.diff(graph.indptr)) & cells[graph.indices]
        counts = np.concatenate([[0], np.cumsum(keep)])
        indptr, indices = counts[graph.indptr], graph.indices[keep]
    else:
        indptr, indices = graph.indptr, graph.indices
    isolated = (np.diff(indptr) == 0) & cells
    if isolated.all():
        msg = "the graph of distances has no edges; rerun pp.neighbors."
        raise ValueError(msg)
    if isolated.any():
        warn(
            f"{int(isolated.sum()):,} cells have no neighbours "
            f"({listed(adata.obs_names[isolated], 3)}): they get no edges and no arrow.",
            stacklevel=4,
        )
    return indptr.astype(np.int64), indices.astype(np.int32)
