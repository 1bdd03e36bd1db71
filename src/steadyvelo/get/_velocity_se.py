"""Standard errors of velocities of chosen genes and cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._categories import check_one_line
from steadyvelo._adata._fit import Fit
from steadyvelo._arguments import public
from steadyvelo.engine import count_threads, genes_per_block

from ._velocity import asked_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import MomentBlock, SmoothingOperator

__all__ = ["velocity_se"]


@public
def velocity_se(
    adata: AnnData,
    *,
    genes: str | Sequence[str] | None = None,
    cells: str | Sequence[str] | None = None,
    velocity_key: str = "velocity",
    n_threads: int | None = None,
) -> pd.DataFrame:
    r"""Return standard errors of velocities of chosen genes and cells.

    A velocity is the mean of the deviations :math:`r_c = d_c (u_c - \gamma s_c) - o` of a cell's K
    neighbours (including itself). Its variance has one part from the counts of these cells and one
    from the fitted line,

    .. math::
        \operatorname{SE}^2(v_i) = \frac{\operatorname{mean}_c (r_c - v_i)^2}{K - 1}
        + \sigma_o^2 + 2 \bar s_i \sigma_{o\gamma} + \bar s_i^2 \sigma_\gamma^2

    Neighbours are treated as known although they are found from the same counts, so the first part
    is somewhat too small. Errors of neighbouring cells are not independent, because these cells
    share counts and the line. For directions of cells and clusters use
    :func:`steadyvelo.tl.direction`.

    Parameters
    ----------
    adata
        Result of ``tl.velocity(uncertainty=...)``, with counts.
    genes, cells
        Names of genes and of cells; None means all.
    velocity_key
        Prefix of the fit.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    Table of cells × genes in the given order, float32, in molecules per splicing time. NaN for
    genes without a standard error of γ, for cells without neighbours, and for fits with an offset
    and a `sample_key`.

    Raises
    ------
    KeyError
        If there is no fit, the fit has no standard errors, or a name is unknown.
    ValueError
        If cells, counts, size factors or neighbours have changed since the fit, or categories of
        cells have separate ratios (`gamma_by`).

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, uncertainty="sandwich", dense=False)
    >>> sv.get.velocity_se(adata, genes=["gene 1", "gene 7"], cells="cell 3").shape
    (1, 2)
    """
    fit = Fit.read(adata, velocity_key)
    check_one_line(fit.options, "standard errors of velocities")
    remedy = f"run tl.velocity(adata, uncertainty='crossfit', key_added={velocity_key!r}) first."
    errors = [
        field.read(adata, velocity_key, remedy=remedy).to_numpy()
        for field in (_keys.GAMMA_SE, _keys.OFFSET_SE, _keys.LINE_COVARIANCE)
    ]
    columns, rows = asked_places(adata, genes, cells, velocity_key)
    # a source returns genes in the order of adata
    wanted, back = np.unique(columns, return_inverse=True)
    source = fit.counts(wanted)
    threads = count_threads(n_threads)
    gamma, offset = fit.gamma[wanted], fit.offset[wanted]
    se, offset_se, covariance = (values[wanted] for values in errors)
    out = np.empty((len(rows), len(wanted)), dtype=np.float32)
    where = source.order.row_of_cell[rows]
    others = (np.diff(source.smoothing.indptr)[where] - 1.0)[:, None]
    # one cell has no variance
    others = np.where(others > 0, others, np.nan)
    for block in source.blocks(genes_per_block(adata.n_obs), threads):
        g = block.genes
        spread = _spread(source.smoothing, block, gamma[g], offset[g], threads)[where]
        mean = block.spliced[where].astype(np.float64)
        of_line = offset_se[g] ** 2 + 2 * mean * covariance[g] + (mean * se[g]) ** 2
        out[:, g] = np.sqrt(spread / others + np.maximum(of_line, 0.0))
    return pd.DataFrame(out[:, back], index=adata.obs_names[rows], columns=adata.var_names[columns])


def _spread(
    smoothing: SmoothingOperator,
    block: MomentBlock,
    gamma: NDArray[np.float64],
    offset: NDArray[np.float64],
    n_threads: int,
) -> NDArray[np.float64]:
    """Return the variance of the deviations of the neighbours of each row around its velocity."""
    spliced, unspliced = block.kept_counts
    residuals = (unspliced - gamma * spliced - offset).astype(np.float32)
    mean = smoothing.apply(residuals, n_threads).astype(np.float64)
    square = smoothing.apply(residuals * residuals, n_threads).astype(np.float64)
    return np.maximum(square - mean * mean, 0.0)
