"""Size factors, which correct for library sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import (
    check_adata,
    check_counts,
    is_integer,
    listed,
    warn,
    writable,
)
from steadyvelo._adata._kind_of_counts import fractional_values, is_normalised
from steadyvelo._adata._provenance import stamp
from steadyvelo._arguments import public

from ._cell_sizes import TOTALS, cell_sizes, selected_genes

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["size_factors"]

_FACTORS = {"spliced": _keys.SPLICED_FACTOR, "unspliced": _keys.UNSPLICED_FACTOR}


@public
def size_factors(
    adata: AnnData,
    *,
    method: Literal["per_layer", "common"] = "per_layer",
    spliced_size: str | None = None,
    unspliced_size: str | None = None,
    counts: Literal["auto", "raw", "normalised"] = "auto",
    spliced: str = "spliced",
    unspliced: str = "unspliced",
) -> None:
    r"""Compute the size factors of each cell for spliced and unspliced counts.

    .. math:: f_c = n_c / \operatorname{median}_{c: n_c > 0}(n_c)

    where :math:`n_c` is the number of molecules of the cell over **all** genes. Counts are not
    changed; they are divided by the factors when they are smoothed.

    Parameters
    ----------
    adata
        Cells × genes with counts in two layers.
    method
        ``"per_layer"``: spliced counts are divided by factors from spliced library sizes and
        unspliced counts by factors from unspliced library sizes, as in scVelo. ``"common"``: both
        are divided by one factor from the sum of both library sizes. This does not change a cell's
        proportion of unspliced molecules.
    spliced_size, unspliced_size
        Columns of ``obs`` with library sizes over all genes. None means ``obs["n_counts_spliced"]``
        and ``obs["n_counts_unspliced"]`` if they exist (readers write them before genes are
        selected), otherwise the sums of the layers.
    counts
        ``"raw"``: counts are divided by size factors, also if they are not whole numbers (corrected
        for ambient RNA, or estimated). ``"normalised"``: they were divided by library sizes before,
        so that size factors are 1. ``"auto"``: a layer is normalised if its values are not whole
        numbers, no column of library sizes is named for it, and all cells have about the same total
        or the values of each cell are whole multiples of its smallest value.
    spliced, unspliced
        Names of the layers.

    Returns
    -------
    None. Sets:

    ``obs["size_factor_spliced"]``, ``obs["size_factor_unspliced"]``
        Size factors; 0 for a cell without molecules.
    ``obs["n_counts_spliced"]``, ``obs["n_counts_unspliced"]``
        Library sizes, if they were computed from the layers.
    ``obs["cells_used"]``, ``obs["cells_reason"]``
        Cells without spliced or without unspliced molecules are marked as not used, with the
        reason. They do not enter smoothing and fits.
    ``uns["size_factor_params"]``
        The method, the source of library sizes, and whether a layer was taken as normalised.

    Raises
    ------
    KeyError
        If a layer or column is missing.
    ValueError
        If counts or library sizes are negative, not finite or all zero.

    Warns
    -----
    SteadyveloWarning
        If cells are marked as not used. If library sizes are sums over selected genes only: other
        totals in ``obs``, under the names of Seurat or scVelo, are larger, or all genes are marked
        as highly variable. If a layer has values that are not whole numbers and it is not said
        whether they are raw.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3, for size factors per layer.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=60, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> float(adata.obs["size_factor_spliced"].median())
    1.0
    """
    check_adata(adata)
    names = {"spliced": spliced, "unspliced": unspliced}
    columns = {"spliced": spliced_size, "unspliced": unspliced_size}
    layers = {kind: check_counts(adata, name) for kind, name in names.items()}
    normalised = _taken_as_normalised(layers, names, columns, counts)
    found = {
        kind: cell_sizes(adata, kind, layer, names[kind], columns[kind])
        for kind, layer in layers.items()
    }
    not_given = {k: one for k, one in found.items() if columns[k] is None and not normalised[k]}
    selection = selected_genes(adata, not_given)
    if selection is not None:
        warn(
            f"{selection.reason}, so library sizes are those of selected genes only; "
            f"{selection.remedy}."
        )
    sizes = {kind: one.size for kind, one in found.items()}
    if method == "common":
        sizes = dict.fromkeys(sizes, sizes["spliced"] + sizes["unspliced"])
    factors = {kind: _relative(size, names[kind]) for kind, size in sizes.items()}
    empty = (sizes["spliced"] == 0) | (sizes["unspliced"] == 0)
    reasons = _reasons(adata, empty)

    writable(adata)
    for kind, one in found.items():
        if one.source == "layer":
            TOTALS[kind].write(adata, one.size)
    for kind, factor in factors.items():
        taken = np.where(sizes[kind] > 0, 1.0, 0.0) if normalised[kind] else factor
        _FACTORS[kind].write(adata, taken)
    _keys.CELLS_USED.write(adata, ~empty)
    _keys.CELLS_REASON.write(adata, reasons)
    params = {
        "method": method,
        **{f"{kind}_size": one.source for kind, one in found.items()},
        **{f"{kind}_layer": name for kind, name in names.items()},
        **{f"{kind}_taken_as_normalised": taken for kind, taken in normalised.items()},
        **{f"{kind}_whole_numbers": is_integer(layer) for kind, layer in layers.items()},
        **stamp(adata),
    }
    _keys.SIZE_PARAMS.write(adata, params)


def _taken_as_normalised(
    layers: dict[str, Any], names: dict[str, str], columns: dict[str, str | None], counts: str
) -> dict[str, bool]:
    """Return which layers are taken as normalised, and warn of them if nobody has said it."""
    taken = {}
    for kind, layer in layers.items():
        said = counts != "auto" or columns[kind] is not None
        taken[kind] = counts == "normalised" or (not said and is_normalised(layer))
        if not said and not is_integer(layer):
            warn(fractional_values(names[kind], normalised=taken[kind]))
    return taken


def _reasons(adata: AnnData, empty: NDArray[np.bool_]) -> pd.Categorical:
    """Return why each cell is not used, or the empty string; warn if cells are not used."""
    if empty.all():
        msg = (
            "every cell has no spliced or no unspliced molecules; check that both layers have "
            "counts."
        )
        raise ValueError(msg)
    if empty.any():
        warn(
            f"{int(empty.sum()):,} cells have no spliced or no unspliced molecules "
            f"({listed(adata.obs_names[empty], 3)}); they are not used (obs['cells_used'])."
        )
    reasons = np.where(empty, "no molecules in a layer", "").astype(object)
    if _keys.COUNTS_ATTACHED.is_in(adata):
        attached = _keys.COUNTS_ATTACHED.values(adata)
        reasons[empty & ~attached] = "no counts attached"
    return pd.Categorical(reasons)


def _relative(size: NDArray[np.float64], layer: str) -> NDArray[np.float64]:
    some = size > 0
    if not some.any():
        msg = f"library sizes for layer {layer!r} are all zero; check the column they come from."
        raise ValueError(msg)
    return size / np.median(size[some])
