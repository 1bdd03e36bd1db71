"""Size factors: how many molecules were caught in each cell."""

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
    spliced: str = "spliced",
    unspliced: str = "unspliced",
) -> None:
    r"""Compute one divisor per cell and layer from the cell's molecules.

    .. math:: f_c = n_c / \operatorname{median}_{c: n_c > 0}(n_c)

    with :math:`n_c` the molecules of the cell over **all** genes. Counts are not changed: the
    factors are applied whenever counts are smoothed.

    Parameters
    ----------
    adata
        Cells × genes with counts in two layers.
    method
        ``"per_layer"``: spliced counts by spliced sizes and unspliced counts by unspliced sizes,
        as scVelo does. ``"common"``: one factor per cell from the sum of both, which leaves
        the proportion of unspliced molecules of a cell as it is.
    spliced_size, unspliced_size
        Columns of ``obs`` that hold the molecules over all genes. None means
        ``obs["n_counts_spliced"]`` and ``obs["n_counts_unspliced"]`` where they exist
        (readers write them before genes are selected), else the sums of the layers.
    spliced, unspliced
        Names of the layers.

    Returns
    -------
    None. Sets:

    ``obs["size_factor_spliced"]``, ``obs["size_factor_unspliced"]``
        Divisors; 0 for a cell without molecules.
    ``obs["n_counts_spliced"]``, ``obs["n_counts_unspliced"]``
        Molecules, where sizes were taken from the layers.
    ``obs["cells_used"]``, ``obs["cells_reason"]``
        Cells without molecules are flagged with the reason and left out of smoothing and fits.
    ``uns["size_factor_params"]``
        What was used, and whether a layer was taken as normalised.

    Raises
    ------
    KeyError
        If a layer or column is missing.
    ValueError
        If counts are negative or not finite, or all zero, or sizes are.

    Warns
    -----
    SteadyveloWarning
        If cells are flagged. If the genes are a selection and their sums are taken as sizes: totals
        of ``obs`` as Seurat and scVelo name them hold more, or all genes are marked as highly
        variable. If a layer holds values that are not whole numbers: it is taken as
        normalised, with a factor of 1.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3, for one factor per layer.

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
    normalised = _taken_as_normalised(layers, names)
    found = {
        kind: cell_sizes(adata, kind, layer, names[kind], columns[kind])
        for kind, layer in layers.items()
    }
    not_given = {k: one for k, one in found.items() if columns[k] is None and not normalised[k]}
    selection = selected_genes(adata, not_given)
    if selection is not None:
        warn(f"{selection.reason}: sizes are of a selection; {selection.remedy}.")
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
        **stamp(adata),
    }
    _keys.SIZE_PARAMS.write(adata, params)


def _taken_as_normalised(layers: dict[str, Any], names: dict[str, str]) -> dict[str, bool]:
    """Tell which layers are taken as normalised already, and warn of those that are."""
    normalised = {kind: not is_integer(layer) for kind, layer in layers.items()}
    for kind, name in names.items():
        if normalised[kind]:
            warn(
                f"layer {name!r} holds values that are not whole numbers: they are taken "
                "as normalised already, with a size factor of 1."
            )
    return normalised


def _reasons(adata: AnnData, empty: NDArray[np.bool_]) -> pd.Categorical:
    """Return why each cell is left out, the empty string where it is not; warn if some are."""
    if empty.all():
        msg = "every cell is without molecules in one layer; check that both layers hold counts."
        raise ValueError(msg)
    if empty.any():
        warn(
            f"{int(empty.sum()):,} cells have no molecules in a layer "
            f"({listed(adata.obs_names[empty], 3)}): flagged in obs['cells_used'] and left out."
        )
    reasons = np.where(empty, "no molecules in a layer", "").astype(object)
    if _keys.COUNTS_ATTACHED.is_in(adata):
        attached = _keys.COUNTS_ATTACHED.values(adata)
        reasons[empty & ~attached] = "no counts attached"
    return pd.Categorical(reasons)


def _relative(size: NDArray[np.float64], layer: str) -> NDArray[np.float64]:
    some = size > 0
    if not some.any():
        msg = f"the sizes for layer {layer!r} are all zero; check the column they come from."
        raise ValueError(msg)
    return size / np.median(size[some])
