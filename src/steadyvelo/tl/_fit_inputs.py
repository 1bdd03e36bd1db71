"""Checked inputs of a fit: genes, weights, and smoothed layers that exist already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._moments import MOMENTS, check_record, has_moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit_params import ErrorChoice, FitOptions
    from steadyvelo._adata._inputs import Inputs
    from steadyvelo._choices import Stochastic

__all__ = ["check_smoothed_elsewhere", "checked_weights", "genes_left_out", "record_of_layers"]


def genes_left_out(adata: AnnData) -> NDArray[np.object_]:
    """Return why pp.filter_genes left out each gene; an empty string for genes that are used."""
    if not _keys.GENES_USED.is_in(adata):
        return np.full(adata.n_vars, "", dtype=object)
    used = _keys.GENES_USED.values(adata)
    if not used.any():
        msg = "var['genes_used'] has no True value; rerun pp.filter_genes with a lower threshold."
        raise ValueError(msg)
    reason = np.full(adata.n_vars, "not used", dtype=object)
    if _keys.GENES_REASON.is_in(adata):
        reason = _keys.GENES_REASON.read(adata).to_numpy(dtype=object)
        reason = np.where(reason == "", "not used", reason)
    return np.where(used, "", reason)


def checked_weights(adata: AnnData, weights: Any) -> Any:
    """Return the name of a rule, or a copy of the weights in the order of `adata`."""
    if isinstance(weights, str):
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
        msg = f"weights have the type {values.dtype}; they must be numbers."
        raise TypeError(msg)
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        msg = (
            f"weights must be finite and not negative; {int(bad.sum()):,} are not, such as "
            f"{values[bad].flat[0]:g}."
        )
        raise ValueError(msg)
    return array


def check_smoothed_elsewhere(
    adata: AnnData, errors: ErrorChoice, stochastic: Stochastic | None, gamma_by: str | None
) -> None:
    """Refuse layers Ms and Mu of another tool if the fit needs the counts that were smoothed.

    It needs them for standard errors, second moments, and velocities from separate ratios of
    categories.
    """
    if not has_moments(adata) or _keys.MOMENTS_PARAMS.is_in(adata):
        return
    needed = {
        "standard errors need": (errors.method, "use uncertainty=None (--uncertainty none)"),
        f"velocities from separate ratios of categories (gamma_by={gamma_by!r}) need": (
            gamma_by,
            "leave gamma_by out",
        ),
        "second moments need": (stochastic, "use mode='deterministic' (--mode deterministic)"),
    }
    for what, (asked, remedy) in needed.items():
        if asked is not None:
            msg = (
                f"layers Ms and Mu come from another tool, and {what} the counts that were "
                f"smoothed; delete the two layers, or {remedy}."
            )
            raise ValueError(msg)


def record_of_layers(inputs: Inputs, options: FitOptions) -> Mapping[str, Any] | None:
    """Return the record of how the layers Ms and Mu were made; None for layers of another tool.

    Raises an error if they were made from other cells, counts or neighbours than the fit uses, or
    if another tool made them and the fit needs counts.
    """
    check_smoothed_elsewhere(inputs.adata, options.errors, options.stochastic, options.gamma_by)
    record = _keys.MOMENTS_PARAMS.read(inputs.adata, default=None)
    if record is None:
        return None
    asked = options.encode()
    names = ("spliced", "unspliced", "neighbors_key")
    differ = [f"{name}={record[name]!r}" for name in names if record[name] != asked[name]]
    if differ:
        msg = (
            f"layers Ms and Mu were smoothed with {', '.join(differ)}, not with the arguments of "
            "this call; run pp.moments with the new arguments, or delete the two layers."
        )
        raise ValueError(msg)
    check_record(inputs, record, MOMENTS, "pp.moments")
    return record
