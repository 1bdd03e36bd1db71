"""Spliced abundances after some time, from the velocities of the present."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._categories import check_one_line
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._moments import has_moments
from steadyvelo._arguments import public
from steadyvelo.engine import CellOrder, LayerSource, Velocities, count_threads, genes_per_block
from steadyvelo.model import extrapolated as after_time

from ._velocity import asked_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["extrapolated"]


@public
def extrapolated(
    adata: AnnData,
    time: float,
    *,
    genes: str | Sequence[str] | None = None,
    cells: str | Sequence[str] | None = None,
    assumption: Literal["constant_velocity", "constant_unspliced"] = "constant_velocity",
    velocity_key: str = "velocity",
    n_threads: int | None = None,
) -> pd.DataFrame:
    r"""Extrapolate the spliced abundances of chosen genes and cells.

    With ``"constant_velocity"``, the velocity v = u − γs − o stays as it is,

    .. math:: s(t) = \max(0,\; s + v t)

    and with ``"constant_unspliced"``, the unspliced abundance does, so that s approaches its steady
    state (u − o)/γ,

    .. math:: s(t) = s\, e^{-\gamma t} + \max(0,\; u - o)\, \frac{1 - e^{-\gamma t}}{\gamma}

    These are the models I and II of velocyto. s and u are smoothed abundances, molecules per cell
    of median library size. The time t is in splicing times, 1/β, because γ is in units of the
    splicing rate β: half of the way to a new steady state takes ln 2 / γ of them. Genes have
    different β, so the same t is not the same time on a clock for all genes. The longer t, the less
    can be said: both assumptions fail as soon as transcription changes.

    Values are computed for blocks of genes. Only the table that is returned has as many values as
    cells × genes were asked for.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`.
    time
        t in splicing times, not negative.
    genes, cells
        Names of genes and of cells; None means all.
    assumption
        What stays constant.
    velocity_key
        Prefix of the fit.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    Table of cells × genes in the given order, float32, in molecules, as ``layers["Ms"]``. NaN for
    genes without a fit and, with ``"constant_unspliced"``, for genes with a negative γ.

    Raises
    ------
    KeyError
        If there is no fit, or a name is unknown.
    ValueError
        If counts, size factors or neighbours have changed since the fit, if cells have changed and
        the layers ``Ms`` and ``velocity`` are missing, or if categories of cells have separate
        ratios (`gamma_by`) and the assumption is ``"constant_unspliced"``.

    References
    ----------
    La Manno et al. (2018), https://doi.org/10.1038/s41586-018-0414-6.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, dense=False)
    >>> sv.get.extrapolated(adata, 2.0, genes=["gene 1", "gene 7"], cells="cell 3").shape
    (1, 2)
    """
    fit = Fit.read(adata, velocity_key)
    if assumption == "constant_unspliced":
        check_one_line(fit.options, f"extrapolations with assumption={assumption!r}")
    columns, rows = asked_places(adata, genes, cells, velocity_key)
    # a source returns genes in the order of adata
    wanted, back = np.unique(columns, return_inverse=True)
    velocities = _velocities(fit, wanted)
    within = velocities.order.row_of_cell[rows]
    out = np.empty((len(rows), len(wanted)), dtype=np.float32)
    start = 0
    for block in velocities.blocks(genes_per_block(adata.n_obs), count_threads(n_threads)):
        spliced, velocity = (values[within].astype(np.float64) for values in block)
        stop = start + spliced.shape[1]
        gamma = fit.gamma[wanted[start:stop]]
        out[:, start:stop] = after_time(spliced, velocity, gamma, time, assumption)
        start = stop
    return pd.DataFrame(out[:, back], index=adata.obs_names[rows], columns=adata.var_names[columns])


def _velocities(fit: Fit, genes: NDArray[np.int64]) -> Velocities:
    """Return expression and velocities of some genes; of a part of the cells from stored layers."""
    adata = fit.adata
    stored = has_moments(adata) and _keys.VELOCITY.is_in(adata, fit.key)
    if stored and not fit.has_its_cells:
        layers = _keys.MS.read(adata), _keys.VELOCITY.read(adata, fit.key)
        return Velocities(LayerSource(*layers, genes, CellOrder.identity(adata.n_obs)), None)
    return fit.velocities(genes)
