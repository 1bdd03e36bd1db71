"""Which cells and genes a fit uses, from what the user asks and what is marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import check_key, one_of
from steadyvelo._adata._moments import check_moments, counts_source, layer_source
from steadyvelo.model import WEIGHT_RULES

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import MomentSource, Uncertainty

    from ._error_rules import ErrorChoice

__all__ = [
    "FitInputs",
    "check_thresholds",
    "checked_weights",
    "fit_inputs",
    "genes_left_out",
    "variable_genes",
]


def check_thresholds(**thresholds: float) -> None:
    """Refuse thresholds that nothing can be compared with."""
    for name, threshold in thresholds.items():
        if np.isnan(threshold):
            msg = f"{name} is NaN; give a number (-inf for no threshold)."
            raise ValueError(msg)


def genes_left_out(adata: AnnData) -> NDArray[np.object_]:
    """Return why filter_genes left a gene out; the empty string for used ones."""
    if _keys.GENES_USED.of() not in adata.var:
        return np.full(adata.n_vars, "", dtype=object)
    used = adata.var[_keys.GENES_USED.of()].to_numpy(dtype=bool)
    if not used.any():
        msg = "var['genes_used'] marks no gene; rerun pp.filter_genes with a lower threshold."
        raise ValueError(msg)
    reason = np.full(adata.n_vars, "not used", dtype=object)
    if _keys.GENES_REASON.of() in adata.var:
        reason = adata.var[_keys.GENES_REASON.of()].to_numpy(dtype=object)
        reason = np.where(reason == "", "not used", reason)
    return np.where(used, "", reason)


def checked_weights(adata: AnnData, weights: Any) -> Any:
    """Return the name of a rule, or weights as an array of their own in the order of `adata`."""
    if isinstance(weights, str):
        one_of("weights", weights, WEIGHT_RULES)
        return weights
    if isinstance(weights, (pd.Series, pd.DataFrame)):
        weights = weights.reindex(adata.obs_names)
        if isinstance(weights, pd.DataFrame):
            weights = weights.reindex(columns=adata.var_names)
    array = weights.tocsc(copy=True) if sp.issparse(weights) else np.array(weights)
    if array.shape not in {(adata.n_obs,), adata.shape}:
        msg = (
            f"weights have shape {array.shape}; they must be (cells,) = {(adata.n_obs,)} or "
            f"(cells, genes) = {adata.shape}."
        )
        raise ValueError(msg)
    values = np.asarray(array.data if sp.issparse(array) else array)
    if values.dtype.kind not in "iufb":
        msg = f"weights hold {values.dtype}; they must be numbers."
        raise TypeError(msg)
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        msg = (
            f"weights must be finite and not negative; {int(bad.sum()):,} are not, the first is "
            f"{values[bad].flat[0]:g}."
        )
        raise ValueError(msg)
    return array


def variable_genes(adata: AnnData) -> NDArray[np.bool_]:
    column = check_key(
        adata,
        "var",
        _keys.HIGHLY_VARIABLE.of(),
        "run scanpy.pp.highly_variable_genes, or leave highly_variable=False.",
    )
    return np.asarray(column.to_numpy(dtype=bool))


@dataclass(frozen=True, eq=False)
class FitInputs:
    """What a fit is made from.

    Attributes
    ----------
    source
        Smoothed abundances.
    errors
        How errors of the ratios are found; None for none.
    record
        What the layers Ms and Mu were made from, where they are used and it is known.
    """

    source: MomentSource
    errors: Uncertainty | None
    record: dict[str, Any] | None


def fit_inputs(
    adata: AnnData,
    genes: NDArray[np.int64],
    choice: ErrorChoice,
    *,
    from_layers: bool,
    spliced: str,
    unspliced: str,
    neighbors_key: str | None,
) -> FitInputs:
    """Return what the fit of some genes is made from; errors need counts even beside layers."""
    record = None
    if from_layers:
        record = check_moments(
            adata, spliced=spliced, unspliced=unspliced, neighbors_key=neighbors_key
        )
        if choice.method is None:
            return FitInputs(layer_source(adata, genes), None, record)
        if record is None:
            msg = (
                "layers Ms and Mu come from another tool, and errors need the counts that were "
                "smoothed; delete the two layers, or leave uncertainty=None."
            )
            raise ValueError(msg)
    source = counts_source(
        adata,
        genes,
        spliced=spliced,
        unspliced=unspliced,
        neighbors_key=neighbors_key,
        keep_counts=choice.method is not None,
    )
    errors = None
    if choice.method is not None:
        errors = choice.rule(adata, source, spliced, neighbors_key)
    return FitInputs(source, errors, record)
