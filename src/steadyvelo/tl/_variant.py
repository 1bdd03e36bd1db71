"""A fit repeated under another setting, on a copy that shares the counts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from steadyvelo import _keys, pp
from steadyvelo._adata._coordinates import embedding_place
from steadyvelo._adata._light_copy import light_copy
from steadyvelo._adata._neighbor_graph import graph_keys, neighbor_params, search_options
from steadyvelo._settings import settings
from steadyvelo._warnings import SteadyveloWarning

from ._ambiguous import move_ambiguous
from ._make_fit import make_fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

    from steadyvelo._adata._fit import Fit
    from steadyvelo.engine import KnownInstruments

    from ._limits import Limits

__all__ = ["Variant", "fit_variant", "other_size_factors"]

# prefix of the variant on its copy
KEY = "velocity"


@dataclass(frozen=True)
class Variant:
    """A change of a fit: of its options, its neighbours, its size factors or its counts.

    With `n_neighbors`, this number of neighbours is found anew; None keeps the graph. `other_sizes`
    uses the size factors (common or per-layer) that the fit did not use. `ambiguous` is the layer
    in which ambiguous molecules are counted instead; None leaves them where they are.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    n_neighbors: int | None = None
    other_sizes: bool = False
    ambiguous: str | None = None


def other_size_factors(fit: Fit) -> Literal["per_layer", "common"]:
    """Return the method of size factors that the fit did not use."""
    made = _keys.SIZE_PARAMS.read(fit.adata, default={}).get("method", "per_layer")
    return "per_layer" if made == "common" else "common"


def fit_variant(
    fit: Fit,
    variant: Variant,
    basis: str | None,
    limits: Limits,
    known: KnownInstruments | None = None,
) -> Fit:
    """Repeat a fit with a change, on a copy that shares counts, neighbours and an embedding.

    With `known` instruments, none are computed, and offsets are not tested.

    Warnings that the fit of the user has already given, such as few velocity genes, are not
    repeated.
    """
    copy, options = _copy(fit, basis), fit.options
    with warnings.catch_warnings(), settings.override(verbosity=0):
        warnings.simplefilter("ignore", SteadyveloWarning)
        if variant.other_sizes:
            _change_sizes(copy, fit)
        if variant.ambiguous is not None:
            move_ambiguous(copy, fit, variant.ambiguous)
        if variant.n_neighbors is not None:
            _change_neighbors(copy, fit, variant.n_neighbors)
        inputs = fit.inputs.of_copy(
            copy,
            new_neighbors=variant.n_neighbors is not None,
            new_counts=variant.ambiguous is not None,
        )
        options = replace(options, dense=False, **variant.options)
        return make_fit(inputs, options, fit.weights, KEY, limits, known=known)


def _copy(fit: Fit, basis: str | None) -> AnnData:
    """Return a copy that shares counts, neighbours and embedding."""
    adata, options = fit.adata, fit.options
    key, clusters = options.neighbors_key, options.errors.gene_clusters
    rep = neighbor_params(adata, key).get("use_rep")
    place = None if basis is None else embedding_place(adata, basis)
    columns = (_keys.GENES_USED, _keys.HIGHLY_VARIABLE, _keys.GENES_REASON)
    return light_copy(
        adata,
        var=[*(column.of() for column in columns), *([clusters] if clusters else [])],
        layers=[options.spliced, options.unspliced, _keys.AMBIGUOUS.of()],
        obsm=sorted({_keys.PCA.of(), str(rep), *([] if place is None else place.in_obsm)}),
        varm=[],
        obsp=graph_keys(adata, key),
        uns=[key or _keys.NEIGHBORS.of(), _keys.SIZE_PARAMS.of(), _keys.IMPORT.of()],
    )


def _change_sizes(copy: AnnData, fit: Fit) -> None:
    """Compute the size factors that the fit did not use, from the same library sizes and cells."""
    made = _keys.SIZE_PARAMS.read(fit.adata, default={})
    sizes = {name: str(made.get(name, "layer")) for name in ("spliced_size", "unspliced_size")}
    taken = {bool(made.get(f"{kind}_taken_as_normalised")) for kind in ("spliced", "unspliced")}
    pp.size_factors(
        copy,
        method=other_size_factors(fit),
        counts={(True,): "normalised", (False,): "raw"}.get(tuple(taken), "auto"),
        spliced=fit.options.spliced,
        unspliced=fit.options.unspliced,
        **{name: None if column == "layer" else column for name, column in sizes.items()},
    )
    _keys.CELLS_USED.write(copy, _keys.CELLS_USED.values(copy) & fit.inputs.cells)


def _change_neighbors(copy: AnnData, fit: Fit, n_neighbors: int) -> None:
    """Find another number of neighbours, with the parameters of the neighbour graph."""
    key = fit.options.neighbors_key
    params = neighbor_params(fit.adata, key)
    n_pcs = int(params.get("n_pcs", 30) or 30)
    same = {"spliced": fit.options.spliced, "key_added": key, **search_options(params)}
    pp.neighbors(copy, n_neighbors=n_neighbors, n_pcs=n_pcs, **same)
