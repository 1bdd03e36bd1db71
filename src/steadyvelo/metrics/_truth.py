"""Comparison of a fit with the truth of simulated data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._fit import Fit
from steadyvelo._arguments import public
from steadyvelo.get import velocity as get_velocity

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["agreement_with_truth"]

_REMEDY = "use data from datasets.simulate, which stores the truth."


@public
def agreement_with_truth(adata: AnnData, *, velocity_key: str = "velocity") -> pd.Series:
    """Compare ratios and velocities with the truth of :func:`steadyvelo.datasets.simulate`.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity` on simulated data.
    velocity_key
        Prefix of the result.

    Returns
    -------
    ``gamma_rank_correlation``
        Spearman correlation of fitted with true ratios, over genes with a fit.
    ``velocity_correlation``
        Pearson correlation of velocities with true velocities over cells; median over genes.
    ``cell_cosine``
        Cosine between a cell's velocity and its true velocity over genes; mean over cells.

    Raises
    ------
    KeyError
        If `adata` has no truth or no fit.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> bool((agreement_with_truth(adata) > 0.3).all())
    True
    """
    fit = Fit.read(adata, velocity_key)
    true_gamma = _keys.TRUE_GAMMA.read(adata, remedy=_REMEDY).to_numpy()
    true_velocity = np.asarray(_keys.TRUE_VELOCITY.read(adata, remedy=_REMEDY), np.float64)
    genes = fit.fitted_genes
    names = list(adata.var_names[genes])
    estimated = get_velocity(adata, genes=names, velocity_key=velocity_key)
    velocity = estimated.to_numpy(dtype=np.float64)
    return compare(fit.gamma[genes], true_gamma[genes], velocity, true_velocity[:, genes])


def compare(
    gamma: NDArray[np.float64],
    true_gamma: NDArray[np.float64],
    velocity: NDArray[np.float64],
    true_velocity: NDArray[np.float64],
) -> pd.Series:
    """Compare ratios, shape (genes,), and velocities, cells × genes, with the truth."""
    ranks = pd.DataFrame({"fitted": gamma, "true": true_gamma})
    per_gene = _cosine(
        velocity - velocity.mean(axis=0), true_velocity - true_velocity.mean(axis=0), axis=0
    )
    return pd.Series(
        {
            "gamma_rank_correlation": ranks.corr("spearman").loc["fitted", "true"],
            "velocity_correlation": np.nanmedian(per_gene),
            "cell_cosine": np.nanmean(_cosine(velocity, true_velocity, axis=1)),
        }
    )


def _cosine(x: NDArray[np.float64], y: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    """Return the cosine along an axis; NaN if one side is zero."""
    length = np.linalg.norm(x, axis=axis) * np.linalg.norm(y, axis=axis)
    some = length > 0
    return np.where(some, (x * y).sum(axis=axis) / np.where(some, length, 1.0), np.nan)
