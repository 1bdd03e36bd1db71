"""Velocities of chosen genes and cells, recomputed from counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._names import cell_places, gene_places
from steadyvelo._arguments import public
from steadyvelo.engine import count_threads, genes_per_block
from steadyvelo.engine._gather import block_of_columns, readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["asked_places", "velocity"]


@public
def velocity(
    adata: AnnData,
    *,
    genes: str | Sequence[str] | None = None,
    cells: str | Sequence[str] | None = None,
    velocity_key: str = "velocity",
    n_threads: int | None = None,
) -> pd.DataFrame:
    r"""Recompute velocities of chosen genes and cells.

    .. math:: v = W (F_u^{-1} U - \gamma F_s^{-1} S) - o

    from counts, neighbours and fitted lines, so that no dense layer is necessary. If
    categories of cells have separate lines (`gamma_by`), γ and o are those of the cell whose counts
    are smoothed. If the fit used layers ``Ms`` and ``Mu`` of another tool, velocities are computed
    from these layers. If `adata` has only a part of the fitted cells, velocities are read from the
    layer ``velocity``.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`.
    genes, cells
        Names of genes and of cells; None means all.
    velocity_key
        Prefix of the fit.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    Table of cells × genes in the given order, float32, in molecules per splicing time; NaN for
    genes without a fit.

    Raises
    ------
    KeyError
        If there is no fit, or a name is unknown.
    ValueError
        If counts, size factors or neighbours have changed since the fit, or if cells have changed
        and the layer ``velocity`` is missing.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, dense=False)
    >>> sv.get.velocity(adata, genes=["gene 1", "gene 7"], cells="cell 3").shape
    (1, 2)
    """
    fit = Fit.read(adata, velocity_key)
    columns, rows = asked_places(adata, genes, cells, velocity_key)
    # a source returns genes in the order of adata
    wanted, back = np.unique(columns, return_inverse=True)
    layer = _keys.VELOCITY.read(adata, velocity_key, default=None)
    if not fit.has_its_cells and layer is not None:
        # for a part of the cells velocities cannot be recomputed, because neighbours are missing,
        # but stored velocities can be read
        out = block_of_columns(readable(layer), wanted)[rows]
    else:
        source, lines = fit.with_lines(wanted)
        out = np.empty((len(rows), len(wanted)), dtype=np.float32)
        threads = count_threads(n_threads)
        for block in source.blocks(genes_per_block(adata.n_obs), threads):
            values = lines.of(block.genes).velocity(block, threads)
            out[:, block.genes] = values[source.order.row_of_cell[rows]]
    return pd.DataFrame(out[:, back], index=adata.obs_names[rows], columns=adata.var_names[columns])


def asked_places(
    adata: AnnData,
    genes: str | Sequence[str] | None,
    cells: str | Sequence[str] | None,
    velocity_key: str,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places of genes and cells; None means all."""
    every = np.arange(adata.n_vars), np.arange(adata.n_obs)
    return (
        every[0] if genes is None else gene_places(adata, genes, key=velocity_key),
        every[1] if cells is None else cell_places(adata, cells),
    )
