"""A fit made again under another choice, on a copy that shares the counts."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

from anndata import AnnData

from steadyvelo import _keys, pp
from steadyvelo._adata._groups import used_cells
from steadyvelo._warnings import SteadyveloWarning

from ._error_rules import neighbor_params
from ._refit import weights_of_fit

if TYPE_CHECKING:
    from steadyvelo._adata._fit import Fitted

__all__ = ["light_copy", "other_size_factors", "refit_options", "with_other_sizes"]


def light_copy(adata: AnnData, fitted: Fitted, basis: str) -> AnnData:
    """Return an AnnData with the counts, neighbours and embedding of another, and no results.

    Counts are shared; annotations are its own.
    """
    params = fitted.params
    entry = adata.uns.get(params["neighbors_key"] or _keys.NEIGHBORS.of(), {})
    graphs = {
        entry.get("connectivities_key", _keys.CONNECTIVITIES.of()),
        entry.get("distances_key", _keys.DISTANCES.of()),
    }
    rep = neighbor_params(adata, params["neighbors_key"] or None).get("use_rep")
    spaces = {_keys.PCA.of(), _keys.EMBEDDING.of(basis=basis), rep} & set(adata.obsm)
    columns = [_keys.GENES_USED.of(), _keys.HIGHLY_VARIABLE.of(), _keys.GENES_REASON.of()]
    uns = {
        name: adata.uns[name]
        for name in (params["neighbors_key"] or _keys.NEIGHBORS.of(), _keys.SIZE_PARAMS.of())
        if name in adata.uns
    }
    return AnnData(
        obs=adata.obs.copy(),
        var=adata.var[[name for name in columns if name in adata.var]].copy(),
        layers={name: adata.layers[name] for name in (params["spliced"], params["unspliced"])},
        obsm={name: adata.obsm[name] for name in sorted(spaces)},
        obsp={name: adata.obsp[name] for name in sorted(graphs & set(adata.obsp))},
        uns=uns,
    )


def other_size_factors(adata: AnnData) -> Literal["per_layer", "common"]:
    """Return the method of size factors that was not used."""
    made = adata.uns.get(_keys.SIZE_PARAMS.of(), {}).get("method", "per_layer")
    return "per_layer" if made == "common" else "common"


def with_other_sizes(adata: AnnData, changed: AnnData, fitted: Fitted) -> None:
    """Give a light copy the size factors that were not used, from the same sizes and cells."""
    made = adata.uns.get(_keys.SIZE_PARAMS.of(), {})
    columns = {
        f"{kind}_size": None
        if made.get(f"{kind}_size", "layer") == "layer"
        else str(made[f"{kind}_size"])
        for kind in ("spliced", "unspliced")
    }
    with warnings.catch_warnings():
        # what is said of the cells was said when the fit's factors were made
        warnings.simplefilter("ignore", SteadyveloWarning)
        pp.size_factors(
            changed,
            method=other_size_factors(adata),
            spliced=fitted.params["spliced"],
            unspliced=fitted.params["unspliced"],
            **columns,
        )
    changed.obs[_keys.CELLS_USED.of()] &= used_cells(adata)


def refit_options(adata: AnnData, fitted: Fitted) -> dict[str, Any]:
    """Return the options of :func:`steadyvelo.tl.velocity` that a fit was made with."""
    params = fitted.params
    offset: Any = {"False": False, "True": True}.get(params["offset"], params["offset"])
    names = ("min_r2", "min_gamma", "r2", "highly_variable", "spliced", "unspliced")
    groups = params.get("groups")
    return {
        **{name: params[name] for name in names},
        "weights": weights_of_fit(adata, fitted),
        "quantiles": fitted.quantiles,
        "offset": offset,
        "groups": None if groups is None else list(groups),
        "groupby": params.get("groupby"),
        "neighbors_key": params["neighbors_key"] or None,
    }
