"""Size factors: how many molecules were caught in each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import (
    check_adata,
    check_counts,
    check_key,
    is_integer,
    listed,
    one_of,
    warn,
    writable,
)
from steadyvelo._adata._provenance import stamp

from ._selected_genes import selected_genes

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["CellSizes", "cell_sizes", "size_factors"]

_TOTALS = {"spliced": _keys.SPLICED_TOTAL, "unspliced": _keys.UNSPLICED_TOTAL}


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
    one_of("method", method, ("per_layer", "common"))
    check_adata(adata)
    names = {"spliced": spliced, "unspliced": unspliced}
    layers = {kind: check_counts(adata, name) for kind, name in names.items()}
    columns = {"spliced": spliced_size, "unspliced": unspliced_size}
    factors = {"spliced": _keys.SPLICED_FACTOR.of(), "unspliced": _keys.UNSPLICED_FACTOR.of()}
    normalised = {kind: not is_integer(layer) for kind, layer in layers.items()}
    for kind, taken in normalised.items():
        if taken:
            warn(
                f"layer {names[kind]!r} holds values that are not whole numbers: they are taken "
                "as normalised already, with a size factor of 1."
            )

    found = {
        kind: cell_sizes(adata, kind, layer, names[kind], columns[kind])
        for kind, layer in layers.items()
    }
    sizes = {kind: one.size for kind, one in found.items()}
    sources = {kind: one.source for kind, one in found.items()}
    not_given = {k: one for k, one in found.items() if columns[k] is None and not normalised[k]}
    selection = selected_genes(adata, not_given)
    if selection is not None:
        warn(f"{selection.reason}: sizes are of a selection; {selection.remedy}.")
    pooled = sizes["spliced"] + sizes["unspliced"]
    new: dict[str, Any] = {
        _TOTALS[kind].of(): sizes[kind] for kind in layers if sources[kind] == "layer"
    }
    empty = np.zeros(adata.n_obs, dtype=bool)
    for kind in layers:
        size = pooled if method == "common" else sizes[kind]
        empty |= size == 0
        factor = _relative(size, names[kind])
        new[factors[kind]] = np.where(size > 0, 1.0, 0.0) if normalised[kind] else factor
    if empty.all():
        msg = "every cell is without molecules in one layer; check that both layers hold counts."
        raise ValueError(msg)
    if empty.any():
        warn(
            f"{int(empty.sum()):,} cells have no molecules in a layer "
            f"({listed(adata.obs_names[empty], 3)}): flagged in obs['cells_used'] and left out."
        )
    reason = np.where(empty, "no molecules in a layer", "").astype(object)
    if _keys.COUNTS_ATTACHED.of() in adata.obs:
        attached = adata.obs[_keys.COUNTS_ATTACHED.of()].to_numpy(dtype=bool)
        reason[empty & ~attached] = "no counts attached"

    writable(adata)
    for name, column in new.items():
        adata.obs[name] = column
    adata.obs[_keys.CELLS_USED.of()] = ~empty
    adata.obs[_keys.CELLS_REASON.of()] = pd.Categorical(reason)
    adata.uns[_keys.SIZE_PARAMS.of()] = {
        "method": method,
        **{f"{kind}_size": sources[kind] for kind in layers},
        **{f"{kind}_layer": names[kind] for kind in layers},
        **{f"{kind}_taken_as_normalised": normalised[kind] for kind in layers},
        **stamp(adata),
    }


class CellSizes(NamedTuple):
    """Molecules per cell.

    Attributes
    ----------
    size
        Over all genes, as far as is known.
    sum
        Over the genes at hand.
    source
        Column of `obs` that sizes come from, or "layer".
    """

    size: NDArray[np.float64]
    sum: NDArray[np.float64]
    source: str


def cell_sizes(
    adata: AnnData, kind: str, layer: Any, layer_name: str, column: str | None
) -> CellSizes:
    """Return molecules per cell by the column named, by the reader's, or by the layer."""
    own = np.asarray(layer.sum(axis=1, dtype=np.float64)).ravel()
    total = _TOTALS[kind].of()
    written = adata.uns.get(_keys.SIZE_PARAMS.of(), {}).get(f"{kind}_layer")
    if column is None and (total not in adata.obs or written not in (None, layer_name)):
        return CellSizes(own, own, "layer")
    name = total if column is None else column
    values = check_key(adata, "obs", name, "name the column with the cell's molecules.")
    if values.dtype.kind not in "iuf":
        msg = f"adata.obs[{name!r}] holds {values.dtype}; sizes must be numbers."
        raise TypeError(msg)
    size = values.to_numpy(dtype=np.float64)
    bad = ~(np.isfinite(size) & (size >= 0))
    if bad.any():
        msg = (
            f"adata.obs[{name!r}] must be finite and not negative to be used as sizes; it is not "
            f"in {int(bad.sum()):,} cells ({listed(adata.obs_names[bad], 3)}, {size[bad][0]:g})."
        )
        raise ValueError(msg)
    short = own > size * (1 + 1e-6)
    if column is None and short.any() and is_integer(layer):
        msg = (
            f"adata.obs[{name!r}] holds fewer molecules than layer {layer_name!r} in "
            f"{int(short.sum()):,} cells ({listed(adata.obs_names[short], 3)}): it belongs to "
            f"other counts. Delete it, or name a column as {kind}_size=."
        )
        raise ValueError(msg)
    return CellSizes(size, own, name)


def _relative(size: NDArray[np.float64], layer: str) -> NDArray[np.float64]:
    some = size > 0
    if not some.any():
        msg = f"the sizes for layer {layer!r} are all zero; check the column they come from."
        raise ValueError(msg)
    return size / np.median(size[some])
