"""A fit of many cells on some of them, for comparisons between settings."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from anndata import AnnData

from steadyvelo import _keys, pp
from steadyvelo._adata._coordinates import embedding_place
from steadyvelo._adata._draws import Names
from steadyvelo._adata._groups import within_codes
from steadyvelo._adata._inputs import Inputs
from steadyvelo._adata._neighbor_graph import external, neighbor_params, search_options
from steadyvelo._settings import settings
from steadyvelo._warnings import SteadyveloWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit

__all__ = ["sampled_fit"]

# more cells than this are not all compared
MOST_CELLS = 4_500
# numbers of cells that are compared, and of each cluster at least
_SAMPLE = 3_000
_OF_CLUSTER = 50


def sampled_fit(
    fit: Fit,
    groups: NDArray[np.intp],
    basis: str | None,
    among: NDArray[np.bool_] | None = None,
) -> tuple[Fit, NDArray[np.intp]]:
    """Return a fit on at most some thousand cells, and their places among all cells.

    `groups` are the numbers of the cells' clusters. Cells are drawn `among` some of them; None
    means all. The embedding `basis`, if it is given, is kept. Neighbours are found anew among the
    drawn cells, in the same representation, within the same groups and as many. All cells are
    returned if they are few, or if the representation is not known.
    """
    adata, options = fit.adata, fit.options
    every = np.arange(adata.n_obs)
    params = neighbor_params(adata, options.neighbors_key)
    rep = params.get("use_rep")
    known = not external(params) or str(rep) in adata.obsm
    if adata.n_obs <= MOST_CELLS or "n_neighbors" not in params or not known:
        return fit, every
    search = search_options(params)
    cells = _drawn(fit, groups, among, search["within"], int(params["n_neighbors"]) + 1)
    if cells is None:
        return fit, every
    columns = [*(f.of() for f in (_keys.GENES_USED, _keys.HIGHLY_VARIABLE, _keys.GENES_REASON))]
    layers = [options.spliced, options.unspliced, _keys.AMBIGUOUS.of()]
    layers.append(_keys.WEIGHTS_LAYER.of(fit.key))
    place = None if basis is None else embedding_place(adata, basis)
    obsm = {_keys.PCA.of(), str(rep), *([] if place is None else place.in_obsm)}
    made = AnnData(
        obs=adata.obs.iloc[cells].copy(),
        var=adata.var[[name for name in columns if name in adata.var]].copy(),
        layers={name: adata.layers[name][cells] for name in layers if name in adata.layers},
        obsm={name: adata.obsm[name][cells] for name in sorted(obsm) if name in adata.obsm},
    )
    for field in (_keys.SIZE_PARAMS, _keys.IMPORT):
        if field.is_in(adata):
            field.write(made, field.read(adata))
    with warnings.catch_warnings(), settings.override(verbosity=0):
        warnings.simplefilter("ignore", SteadyveloWarning)
        pp.neighbors(
            made,
            n_neighbors=int(params["n_neighbors"]),
            n_pcs=int(params.get("n_pcs", 30) or 30),
            use_rep=str(rep) if external(params) else None,
            spliced=options.spliced,
            key_added=options.neighbors_key,
            **search,
        )
    return replace(fit, inputs=Inputs(made)), cells


def _drawn(
    fit: Fit,
    groups: NDArray[np.intp],
    among: NDArray[np.bool_] | None,
    within: str | None,
    least: int,
) -> NDArray[np.intp] | None:
    """Draw cells by name, and further cells of clusters of which too few were drawn.

    There are at least `least` cells of each group of the column `within`; None if this cannot be.
    """
    numbers = Names(fit.inputs.cell_hashes, 0).numbers("cells whose settings are compared")
    used = np.flatnonzero(fit.inputs.cells if among is None else fit.inputs.cells & among)
    order = used[np.argsort(numbers[used], kind="stable")]
    chosen = np.zeros(len(groups), dtype=bool)
    chosen[order[:_SAMPLE]] = True
    for group in range(groups.max(initial=-1) + 1):
        chosen[order[groups[order] == group][:_OF_CLUSTER]] = True
    codes = within_codes(fit.adata, within)
    for group in range(0 if codes is None else int(codes.max()) + 1):
        of_group = order[codes[order] == group][:least]
        if len(of_group) < least:
            return None
        chosen[of_group] = True
    return np.flatnonzero(chosen)
