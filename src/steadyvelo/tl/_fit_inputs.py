"""What a fit uses, as far as it must be checked: genes, weights, smoothed layers that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import one_of
from steadyvelo._adata._moments import MOMENTS, check_record
from steadyvelo.model import WEIGHT_RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit_params import FitOptions
    from steadyvelo._adata._inputs import Inputs

__all__ = ["checked_weights", "genes_left_out", "record_of_layers"]


def genes_left_out(adata: AnnData) -> NDArray[np.object_]:
    """Return why filter_genes left a gene out; the empty string for used ones."""
    if not _keys.GENES_USED.is_in(adata):
        return np.full(adata.n_vars, "", dtype=object)
    used = _keys.GENES_USED.values(adata)
    if not used.any():
        msg = "var['genes_used'] marks no gene; rerun pp.filter_genes with a lower threshold."
        raise ValueError(msg)
    reason = np.full(adata.n_vars, "not used", dtype=object)
    if _keys.GENES_REASON.is_in(adata):
        reason = _keys.GENES_REASON.read(adata).to_numpy(dtype=object)
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


def record_of_layers(inputs: Inputs, options: FitOptions) -> Mapping[str, Any] | None:
    """Return what the layers Ms and Mu were made from; None for layers of another tool.

    Refused if they belong to other cells, counts or neighbours than are asked for, or if errors are
    asked for, which need counts.
    """
    record = _keys.MOMENTS_PARAMS.read(inputs.adata, default=None)
    if record is None and options.errors.method is not None:
        msg = (
            "layers Ms and Mu come from another tool, and errors need the counts that were "
            "smoothed; delete the two layers, or leave uncertainty=None."
        )
        raise ValueError(msg)
    if record is None:
        return None
    asked = options.encode()
    names = ("spliced", "unspliced", "neighbors_key")
    differ = [f"{name}={record[name]!r}" for name in names if record[name] != asked[name]]
    if differ:
        msg = (
            f"layers Ms and Mu were smoothed with {', '.join(differ)}, not with what is asked for; "
            "run pp.moments with the new choice, or delete the two layers and use dense=False."
        )
        raise ValueError(msg)
    check_record(inputs, record, MOMENTS, "pp.moments (or delete the layers Ms and Mu)")
    return record
