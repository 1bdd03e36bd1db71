"""Random paths as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._fit_params import made_entry
from steadyvelo._arguments import public

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["paths"]


@public
def paths(adata: AnnData, *, velocity_key: str = "velocity") -> pd.DataFrame:
    """Return the cells of the random paths.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.paths`, or a part of its cells.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    Names of cells, one row per path and one column per step, from 0 for the first cell.

    Raises
    ------
    KeyError
        If no paths were drawn.
    ValueError
        If another version of steadyvelo stored them in a different format.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.paths(adata, ["cell 1"], n_paths=3, n_steps=20)
    >>> sv.get.paths(adata)[0].tolist()
    ['cell 1', 'cell 1', 'cell 1']
    """
    check_adata(adata)
    rerun = "tl.paths(adata, start)"
    made_entry(adata, velocity_key, "paths", rerun)
    stored = _keys.PATHS.read(adata, velocity_key, remedy=f"run {rerun} first.")
    rows = pd.RangeIndex(1, len(stored) + 1, name="path")
    table = pd.DataFrame(np.asarray(stored, dtype=object), index=rows)
    return table.rename_axis(columns="step")
