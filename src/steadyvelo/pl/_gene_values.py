"""Smoothed abundances of the genes in a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo._adata._moments import layer_source
from steadyvelo._adata._names import gene_places
from steadyvelo.engine import genes_per_block
from steadyvelo.get import velocity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit

__all__ = ["gene_names", "moments_of_genes", "velocities_of_genes"]


def gene_names(adata: AnnData, genes: str | Sequence[str]) -> list[str]:
    """Return the names as a list; raise an error for unknown names or an empty list."""
    return [str(name) for name in adata.var_names[gene_places(adata, genes)]]


def moments_of_genes(fit: Fit, names: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return smoothed abundances of genes, shape (names, cells)."""
    adata = fit.adata
    genes, places = np.unique(adata.var_names.get_indexer(names), return_inverse=True)
    if fit.used_layers:
        # layers can be read also for a part of the cells
        source = layer_source(adata, genes)
    elif not fit.has_its_cells:
        msg = (
            "adata has only a part of the fitted cells and no layers Ms and Mu, and abundances "
            "cannot be smoothed without all neighbours; draw before cells are left out, or rerun "
            "pp.neighbors and tl.velocity on these cells."
        )
        raise ValueError(msg)
    else:
        source = fit.moments(genes)
    spliced, unspliced = np.empty((2, len(genes), adata.n_obs))
    for block in source.blocks(genes_per_block(adata.n_obs)):
        place = np.ix_(block.genes, block.order.cell_of_row)
        spliced[place], unspliced[place] = block.spliced.T, block.unspliced.T
    return spliced[places], unspliced[places]


def velocities_of_genes(
    fit: Fit,
    names: list[str],
    spliced: NDArray[np.float64],
    unspliced: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return velocities of genes with these smoothed abundances, shape (names, cells)."""
    if fit.options.gamma_by is not None:
        # they depend on which of the smoothed counts are of which category
        table = velocity(fit.adata, genes=names, velocity_key=fit.key)
        return np.asarray(table.to_numpy(dtype=np.float64).T)
    places = fit.adata.var_names.get_indexer(names)
    gamma, offset = fit.gamma[places, None], fit.offset[places, None]
    return np.asarray(unspliced - gamma * spliced - offset)
