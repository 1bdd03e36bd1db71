"""The results of a fit: columns of `var`, and dense layers that are filled block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._moments import write_moments
from steadyvelo.model import gene_criteria

from ._multiple_tests import benjamini_hochberg

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit_params import FitOptions
    from steadyvelo._adata._moments import SmoothingRecord
    from steadyvelo.engine import FitResult, MomentBlock
    from steadyvelo.model import RatioErrors

__all__ = ["DenseLayers", "gene_columns", "over_all_genes", "variable_genes"]


class DenseLayers:
    """The layer of velocities and, if they do not exist yet, the smoothed layers."""

    def __init__(self, shape: tuple[int, int], genes: NDArray[np.int64], *, moments: bool) -> None:
        self.genes = genes
        self.velocity = np.empty(shape, dtype=np.float32)
        self.moments = [np.empty(shape, dtype=np.float32) for _ in range(2 if moments else 0)]

    def take(
        self,
        block: MomentBlock,
        fit: FitResult,
        velocity: NDArray[np.float32] | None,
        n_threads: int,
    ) -> None:
        """Copy the values of a block into the layers; None as velocities means those of the fit."""
        genes = self.genes[block.genes]
        if velocity is None:
            velocity = block.velocity(fit.gamma, fit.offset, n_threads)
        block.write(self.velocity, genes, velocity, n_threads)
        for layer, values in zip(self.moments, (block.spliced, block.unspliced), strict=False):
            block.write(layer, genes, values, n_threads)

    def write(
        self, adata: AnnData, key: str, left_out: NDArray[np.bool_], record: SmoothingRecord | None
    ) -> None:
        """Write the layers; velocities of genes that are left out are NaN."""
        missing = left_out.copy()
        missing[np.setdiff1d(np.arange(len(missing)), self.genes)] = True
        self.velocity[:, missing] = np.nan
        _keys.VELOCITY.write(adata, self.velocity, key)
        if record is not None:
            write_moments(adata, *self.moments, record)


def gene_columns(
    adata: AnnData,
    genes: NDArray[np.int64],
    fit: FitResult,
    left_out: NDArray[np.object_],
    options: FitOptions,
) -> dict[_keys.Field, Any]:
    """Return the columns of `var` (lines and criteria), with one row for every gene of `adata`."""

    def everywhere(values: NDArray[Any], fill: Any) -> NDArray[Any]:
        out = np.full(adata.n_vars, fill, dtype=values.dtype)
        out[genes] = values
        return np.where(left_out == "", out, fill)

    gamma, r2 = everywhere(fit.gamma, np.nan), everywhere(fit.r2, np.nan)
    # which genes are used must not depend on the folds of a cross-fit, or on second moments
    ordinary = everywhere(fit.ordinary_gamma, np.nan)
    criteria = gene_criteria(
        np.where(gamma > min(options.min_gamma, 0.0), ordinary, gamma),
        r2,
        spliced_max=everywhere(fit.spliced_max, 0.0),
        unspliced_max=everywhere(fit.unspliced_max, 0.0),
        min_r2=options.min_r2,
        min_gamma=options.min_gamma,
        highly_variable=variable_genes(adata, options),
        no_fit=np.where(left_out == "", everywhere(fit.reason, ""), left_out),
    )
    columns = {
        _keys.GAMMA: gamma,
        _keys.OFFSET: everywhere(fit.offset, np.nan),
        _keys.R2: r2,
        _keys.VELOCITY_GENES: criteria.velocity_genes,
        _keys.REASON: pd.Categorical(criteria.reason),
        _keys.R2_PASSES: criteria.r2_passes,
        _keys.GAMMA_PASSES: criteria.gamma_passes,
        _keys.SPLICED_SEEN: criteria.spliced_seen,
        _keys.UNSPLICED_SEEN: criteria.unspliced_seen,
        _keys.FIT_CELLS: everywhere(fit.n_cells, 0),
    }
    if options.highly_variable:
        columns[_keys.VARIABLE_PASSES] = criteria.highly_variable
    if options.bounded:
        columns[_keys.AT_BOUND] = everywhere(fit.at_bound, fill=False)
    if options.stochastic is not None:
        columns[_keys.REFITTED] = everywhere(fit.refitted, fill=False)
        if options.stochastic.fit_offset2:
            columns[_keys.OFFSET2] = everywhere(fit.offset2, np.nan)
    if options.errors.method is not None:
        for field, values in _of_errors(fit.errors).items():
            columns[field] = over_all_genes(adata, genes, values)
    return columns


def variable_genes(adata: AnnData, options: FitOptions) -> NDArray[np.bool_] | None:
    """Return the highly variable genes; None if velocity genes need not be among them."""
    if not options.highly_variable:
        return None
    remedy = "run scanpy.pp.highly_variable_genes, or use highly_variable=False."
    variable = _keys.HIGHLY_VARIABLE.read(adata, remedy=remedy)
    return np.asarray(variable.to_numpy(dtype=bool))


def _of_errors(errors: RatioErrors) -> dict[_keys.Field, NDArray[np.float64]]:
    """Return the columns of errors."""
    return {
        _keys.GAMMA_SE: errors.se,
        _keys.OFFSET_SE: errors.offset_se,
        _keys.LINE_COVARIANCE: errors.covariance,
        _keys.GAMMA_LOW: errors.low,
        _keys.GAMMA_HIGH: errors.high,
        _keys.GAMMA_MOLECULES: errors.molecules,
        _keys.EFFECTIVE_CELLS: errors.effective_cells,
        _keys.OFFSET_P: errors.offset_p,
        _keys.OFFSET_FDR: benjamini_hochberg(errors.offset_p),
    }


def over_all_genes(
    adata: AnnData, genes: NDArray[np.int64], values: NDArray[Any]
) -> NDArray[np.float64]:
    """Return an array for all genes with the values of some genes, and NaN for the others."""
    out = np.full((adata.n_vars, *values.shape[1:]), np.nan)
    out[genes] = values
    return out
