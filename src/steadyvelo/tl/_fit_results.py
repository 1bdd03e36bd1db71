"""What a fit writes: columns per gene, and dense layers filled block by block."""

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

    from steadyvelo._adata._moments import SmoothingRecord
    from steadyvelo.engine import FitResult, MomentBlock
    from steadyvelo.model import GeneCriteria, RatioErrors

__all__ = [
    "GRAPH_PARAMS",
    "DenseLayers",
    "clear_checks",
    "clear_direction",
    "clear_earlier",
    "clear_graph",
    "error_columns",
    "gene_columns",
    "over_all_genes",
    "write_weights",
]

# entries of the parameters that belong to a graph and what was made from it
GRAPH_PARAMS = (
    "n_recurse_neighbors",
    "n_graph_genes",
    "sqrt_transform",
    "graph_neighbors_key",
    "embeddings",
    "arrows",
    "transitions",
    "terminal_states",
    "pseudotime",
    "randomized",
)


ERROR_FIELDS = (
    _keys.GAMMA_SE,
    _keys.OFFSET_SE,
    _keys.LINE_COVARIANCE,
    _keys.GAMMA_LOW,
    _keys.GAMMA_HIGH,
    _keys.GAMMA_MOLECULES,
    _keys.EFFECTIVE_CELLS,
    _keys.OFFSET_P,
    _keys.OFFSET_FDR,
)


class DenseLayers:
    """Velocity and, where they do not exist, smoothed layers, filled block by block."""

    def __init__(self, shape: tuple[int, int], genes: NDArray[np.int64], *, moments: bool) -> None:
        self.genes = genes
        self.velocity = np.full(shape, np.nan, dtype=np.float32)
        self.spliced = np.empty(shape, dtype=np.float32) if moments else None
        self.unspliced = np.empty(shape, dtype=np.float32) if moments else None

    def take(self, block: MomentBlock, fit: FitResult) -> None:
        """Keep what a block holds."""
        genes = self.genes[block.genes]
        block.write(self.velocity, genes, block.velocity(fit.gamma, fit.offset))
        if self.spliced is not None and self.unspliced is not None:
            block.write(self.spliced, genes, block.spliced)
            block.write(self.unspliced, genes, block.unspliced)

    def write(
        self,
        adata: AnnData,
        key: str,
        left_out: NDArray[np.bool_],
        record: SmoothingRecord | None,
    ) -> None:
        """Write the layers; genes that are left out have no velocity."""
        self.velocity[:, left_out] = np.nan
        adata.layers[_keys.VELOCITY.of(key)] = self.velocity
        if self.spliced is not None and self.unspliced is not None and record is not None:
            write_moments(adata, self.spliced, self.unspliced, record)


def write_weights(adata: AnnData, weights: Any, key: str) -> None:
    """Keep weights that were given as an array."""
    if weights.ndim == 1:
        adata.obs[_keys.WEIGHTS_COLUMN.of(key)] = weights
    else:
        adata.layers[_keys.WEIGHTS_LAYER.of(key)] = weights


def gene_columns(
    adata: AnnData,
    genes: NDArray[np.int64],
    fit: FitResult,
    left_out: NDArray[np.object_],
    variable: NDArray[np.bool_] | None,
    *,
    min_r2: float,
    min_gamma: float,
    key: str,
) -> tuple[dict[str, Any], GeneCriteria]:
    """Return the columns of `var`, a row for every gene of `adata`, and the criteria."""

    def everywhere(values: NDArray[Any], fill: Any) -> NDArray[Any]:
        out = np.full(adata.n_vars, fill, dtype=values.dtype)
        out[genes] = values
        return np.where(left_out == "", out, fill)

    gamma, r2 = everywhere(fit.gamma, np.nan), everywhere(fit.r2, np.nan)
    criteria = gene_criteria(
        gamma,
        r2,
        spliced_max=everywhere(fit.spliced_max, 0.0),
        unspliced_max=everywhere(fit.unspliced_max, 0.0),
        min_r2=min_r2,
        min_gamma=min_gamma,
        highly_variable=variable,
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
    if variable is not None:
        columns[_keys.VARIABLE_PASSES] = criteria.highly_variable
    return {field.of(key): column for field, column in columns.items()}, criteria


def error_columns(
    adata: AnnData, genes: NDArray[np.int64], errors: RatioErrors, key: str
) -> dict[str, NDArray[np.float64]]:
    """Return the columns of `var` that hold errors, NaN for genes that were not fitted."""
    columns = {
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
    return {
        field.of(key): over_all_genes(adata, genes, column) for field, column in columns.items()
    }


def over_all_genes(
    adata: AnnData, genes: NDArray[np.int64], values: NDArray[Any]
) -> NDArray[np.float64]:
    """Return values of some genes as values of all, NaN for the others."""
    out = np.full((adata.n_vars, *values.shape[1:]), np.nan)
    out[genes] = values
    return out


def clear_earlier(adata: AnnData, key: str) -> None:
    """Remove what an earlier fit left that this one may not write: nothing stale stays."""
    _remove(adata, "layers", _keys.VELOCITY.of(key), _keys.WEIGHTS_LAYER.of(key))
    _remove(adata, "obs", _keys.WEIGHTS_COLUMN.of(key))
    var = (_keys.VARIABLE_PASSES, _keys.SPLICED_CHECKSUM, _keys.UNSPLICED_CHECKSUM, *ERROR_FIELDS)
    _remove(adata, "var", *(field.of(key) for field in var))
    clear_checks(adata, key)
    clear_reliability(adata, key)
    clear_run(adata, key)
    for basis in adata.uns.get(_keys.PARAMS.of(key), {}).get("directions", {}):
        clear_direction(adata, key, basis)
    clear_graph(adata, key)


def clear_checks(adata: AnnData, key: str) -> None:
    """Remove what was found of the model, gene by gene."""
    for field in _keys.CHECK_FIELDS:
        _remove(adata, field.slot, field.of(key))


def clear_direction(adata: AnnData, key: str, basis: str) -> None:
    """Remove the directions on an embedding, and verdicts that rest on them."""
    for field in _keys.DIRECTION_FIELDS:
        _remove(adata, field.slot, field.of(key, basis))
    params = dict(adata.uns.get(_keys.PARAMS.of(key), {}))
    if params.get("reliability", {}).get("basis") == basis:
        clear_reliability(adata, key)


def clear_reliability(adata: AnnData, key: str) -> None:
    """Remove verdicts."""
    for field in _keys.RELIABILITY_FIELDS:
        _remove(adata, field.slot, field.of(key))
    params = dict(adata.uns.get(_keys.PARAMS.of(key), {}))
    if params.pop("reliability", None) is not None:
        adata.uns[_keys.PARAMS.of(key)] = params


def clear_run(adata: AnnData, key: str) -> None:
    """Remove what a run says of a fit that another has replaced; its choice of genes stays."""
    run = {
        name: value
        for name, value in dict(adata.uns.get(_keys.RUN.of(key), {})).items()
        if name in {"min_shared_counts", "retain"}
    }
    _remove(adata, "uns", _keys.RUN.of(key))
    if run:
        adata.uns[_keys.RUN.of(key)] = run
    genes = adata.uns.get(_keys.ALL_GENES.of(key))
    if genes is not None:
        of_fit = [_keys.VELOCITY_GENES.of(key), _keys.REASON.of(key)]
        adata.uns[_keys.ALL_GENES.of(key)] = genes.drop(columns=of_fit, errors="ignore")


def clear_graph(adata: AnnData, key: str) -> None:
    """Remove an earlier graph and what was made from it: transitions and arrows."""
    columns = (
        _keys.SELF_TRANSITION,
        _keys.LENGTH,
        _keys.CONFIDENCE,
        _keys.CONFIDENCE_TRANSITION,
        _keys.ROOT_CELLS,
        _keys.END_POINTS,
        _keys.PSEUDOTIME,
    )
    _remove(adata, "obs", *(field.of(key) for field in columns))
    transitions = dict(adata.uns.get(_keys.PARAMS.of(key), {}).get("transitions", {}))
    graphs = (_keys.GRAPH, _keys.GRAPH_NEG, _keys.TRANSITIONS)
    _remove(adata, "obsp", *(field.of(key) for field in graphs), *transitions)
    # arrows of another tool under this name belong to another graph, too
    bases = [name.removeprefix("X_") for name in adata.obsm if name.startswith("X_")]
    drawn = (_keys.VELOCITY_EMBEDDING, _keys.RANDOMIZED)
    _remove(adata, "obsm", *(field.of(key, basis) for field in drawn for basis in bases))


def _remove(adata: AnnData, slot: str, *names: str) -> None:
    mapping = getattr(adata, slot)
    for name in names:
        if name in mapping:
            del mapping[name]
