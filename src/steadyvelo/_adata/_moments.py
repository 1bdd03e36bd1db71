"""Gene blocks from an AnnData: smoothed on the fly, or from the layers Ms and Mu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_counts, check_key, is_integer, warn
from steadyvelo._adata._groups import used_cells
from steadyvelo._adata._neighbor_graph import connectivities
from steadyvelo._adata._provenance import (
    check_cells,
    check_genes_unchanged,
    gene_checksums,
    hash_pattern,
    hash_values,
    stamp,
)
from steadyvelo.engine import CellOrder, CountsSource, LayerSource, SmoothingOperator

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import MomentSource

__all__ = [
    "SmoothingRecord",
    "check_fit_unchanged",
    "check_moments",
    "counts_source",
    "fitted_source",
    "has_moments",
    "layer_source",
    "moments_of_fit",
    "smoothing_record",
    "write_moments",
]

# under which the sums of smoothed counts are kept for the layers Ms and Mu
_MOMENTS = "moments"
# where size_factors says that a layer held no whole numbers
_TAKEN = {
    _keys.SPLICED_FACTOR.of(): "spliced_taken_as_normalised",
    _keys.UNSPLICED_FACTOR.of(): "unspliced_taken_as_normalised",
}


def has_moments(adata: AnnData) -> bool:
    """Tell whether smoothed layers exist; refuse one without the other."""
    there = [field.of() for field in (_keys.MS, _keys.MU) if field.of() in adata.layers]
    if len(there) == 1:
        msg = f"layer {there[0]!r} is there without its partner; delete it, or run pp.moments."
        raise ValueError(msg)
    return len(there) == 2


def layer_source(
    adata: AnnData, genes: NDArray[np.int64], order: CellOrder | None = None
) -> LayerSource:
    """Return blocks of the layers Ms and Mu, their rows in an order (None: that of the cells)."""
    layers = []
    for field in (_keys.MS, _keys.MU):
        layer = adata.layers[field.of()]
        values = layer.data if hasattr(layer, "indptr") else layer
        if not np.isfinite(values).all() or (values.size and values.min() < 0):
            msg = f"layer {field.of()!r} holds NaN, infinite or negative values; rerun pp.moments."
            raise ValueError(msg)
        layers.append(layer)
    return LayerSource(*layers, genes, order or CellOrder.identity(adata.n_obs))


def counts_source(
    adata: AnnData,
    genes: NDArray[np.int64],
    *,
    spliced: str = "spliced",
    unspliced: str = "unspliced",
    neighbors_key: str | None = None,
    keep_counts: bool = False,
) -> CountsSource:
    """Return blocks that are smoothed from counts when they are asked for.

    Their rows stand in an order along the neighbour graph; with `keep_counts` they hold the counts
    as well.
    """
    cells = used_cells(adata)
    counts = [check_counts(adata, name) for name in (spliced, unspliced)]
    scales = [
        _inverse_factor(adata, layer, name, field.of())
        for layer, name, field in zip(
            counts,
            (spliced, unspliced),
            (_keys.SPLICED_FACTOR, _keys.UNSPLICED_FACTOR),
            strict=True,
        )
    ]
    smoothing = SmoothingOperator.from_connectivities(connectivities(adata, neighbors_key), cells)
    order = CellOrder.along(smoothing.indptr, smoothing.indices)
    return CountsSource(
        counts[0],
        counts[1],
        genes,
        order,
        spliced_scale=scales[0],
        unspliced_scale=scales[1],
        smoothing=smoothing.reordered(order),
        keep_counts=keep_counts,
    )


@dataclass(frozen=True)
class SmoothingRecord:
    """What counts were smoothed with, kept so that a later change is noticed.

    Attributes
    ----------
    params
        Names and hashes, for ``uns``.
    sums
        Checksums of the spliced and the unspliced layer per gene, for ``var``.
    """

    params: dict[str, Any]
    sums: tuple[NDArray[np.float64], NDArray[np.float64]]

    def columns(self, key: str) -> dict[str, NDArray[np.float64]]:
        """Return the sums under their names in ``var``."""
        return dict(zip(_sum_columns(key), self.sums, strict=True))


def smoothing_record(
    adata: AnnData, spliced: str, unspliced: str, neighbors_key: str | None
) -> SmoothingRecord:
    """Return what smoothing uses now."""
    params = {
        "spliced": spliced,
        "unspliced": unspliced,
        "neighbors_key": neighbors_key or "",
        "neighbors_hash": hash_pattern(connectivities(adata, neighbors_key)),
        "factors_hash": hash_values(*_factors(adata)),
        **stamp(adata),
    }
    return SmoothingRecord(
        params, (gene_checksums(adata.layers[spliced]), gene_checksums(adata.layers[unspliced]))
    )


def write_moments(
    adata: AnnData,
    spliced: NDArray[np.float32],
    unspliced: NDArray[np.float32],
    record: SmoothingRecord,
) -> None:
    """Write the layers Ms and Mu and what they were made from."""
    adata.layers[_keys.MS.of()] = spliced
    adata.layers[_keys.MU.of()] = unspliced
    adata.uns[_keys.MOMENTS_PARAMS.of()] = record.params
    for name, column in record.columns(_MOMENTS).items():
        adata.var[name] = column


def moments_record(adata: AnnData) -> dict[str, Any] | None:
    """Return what the layers Ms and Mu were made from; None for those of another tool."""
    params = adata.uns.get(_keys.MOMENTS_PARAMS.of())
    return None if params is None else dict(params)


def check_moments(
    adata: AnnData, *, spliced: str, unspliced: str, neighbors_key: str | None
) -> dict[str, Any] | None:
    """Refuse layers Ms and Mu that belong to other cells, counts or neighbours than asked for.

    Returns
    -------
    Their record; None for layers of another tool, which are taken as they are.
    """
    record = moments_record(adata)
    if record is None:
        return None
    asked = {"spliced": spliced, "unspliced": unspliced, "neighbors_key": neighbors_key or ""}
    differ = [f"{name}={record[name]!r}" for name, value in asked.items() if record[name] != value]
    if differ:
        msg = (
            f"layers Ms and Mu were smoothed with {', '.join(differ)}, not with what is asked for; "
            "run pp.moments with the new choice, or delete the two layers and use dense=False."
        )
        raise ValueError(msg)
    _check_unchanged(adata, record, _MOMENTS, "pp.moments (or delete the layers Ms and Mu)")
    return record


def check_fit_unchanged(adata: AnnData, params: dict[str, Any], key: str) -> None:
    """Refuse to go on from a fit whose cells, counts, sizes or neighbours have changed."""
    check_cells(adata, params, "the fit", "pp.neighbors and tl.velocity")
    if "neighbors_hash" not in params:
        return
    columns = key if _sum_columns(key)[0] in adata.var else _MOMENTS
    _check_unchanged(adata, params, columns, "tl.velocity")


def moments_of_fit(adata: AnnData, params: dict[str, Any]) -> bool:
    """Tell whether the layers Ms and Mu are those the fit has seen."""
    if not has_moments(adata):
        return False
    record = moments_record(adata)
    if record is None or "neighbors_hash" not in params:
        return params["moments"] == "layers" and record is None
    return all(record[name] == params[name] for name in ("neighbors_hash", "factors_hash"))


def fitted_source(
    adata: AnnData,
    genes: NDArray[np.int64],
    params: dict[str, Any],
    key: str,
    order: CellOrder | None = None,
) -> MomentSource:
    """Return the blocks a fit has seen; refuse if what they were made from has changed.

    Rows of layers stand in the `order` given, blocks from counts have their own.
    """
    check_fit_unchanged(adata, params, key)
    if moments_of_fit(adata, params):
        return layer_source(adata, genes, order)
    if "neighbors_hash" not in params:
        msg = "the layers Ms and Mu that the fit used are gone or replaced; rerun tl.velocity."
        raise ValueError(msg)
    return counts_source(
        adata,
        genes,
        spliced=params["spliced"],
        unspliced=params["unspliced"],
        neighbors_key=params["neighbors_key"] or None,
    )


def _check_unchanged(adata: AnnData, params: dict[str, Any], key: str, rerun: str) -> None:
    check_cells(adata, params, "the smoothing", f"pp.neighbors and {rerun}")
    if params["neighbors_hash"] != hash_pattern(
        connectivities(adata, params["neighbors_key"] or None)
    ):
        msg = f"the neighbour graph has changed since counts were smoothed; rerun {rerun}."
        raise ValueError(msg)
    if params["factors_hash"] != hash_values(*_factors(adata)):
        msg = (
            f"size factors or flagged cells have changed since counts were smoothed; rerun {rerun}."
        )
        raise ValueError(msg)
    for kind, recorded in zip(("spliced", "unspliced"), _sum_columns(key), strict=True):
        check_key(adata, "layers", params[kind], f"it was smoothed; rerun {rerun}.")
        check_genes_unchanged(adata, params[kind], recorded, rerun)


def _sum_columns(key: str) -> tuple[str, str]:
    return _keys.SPLICED_CHECKSUM.of(key), _keys.UNSPLICED_CHECKSUM.of(key)


def _factors(adata: AnnData) -> list[Any]:
    """Return the columns of `obs` that smoothing uses, where they exist."""
    fields = (_keys.SPLICED_FACTOR, _keys.UNSPLICED_FACTOR, _keys.CELLS_USED)
    return [adata.obs[field.of()] for field in fields if field.of() in adata.obs]


def _inverse_factor(
    adata: AnnData, layer: Any, layer_name: str, factor_name: str
) -> NDArray[np.float64]:
    """Return 1 / size factor; 0 for a cell without counts, which then adds nothing."""
    if factor_name not in adata.obs:
        if is_integer(layer):
            msg = f"adata.obs has no {factor_name!r}; run pp.size_factors(adata) first."
            raise KeyError(msg)
        warn(
            f"layer {layer_name!r} holds values that are not whole numbers: they are taken as "
            "normalised already, with a size factor of 1.",
            stacklevel=5,
        )
        return np.ones(adata.n_obs)
    taken = adata.uns.get(_keys.SIZE_PARAMS.of(), {}).get(_TAKEN[factor_name], True)
    if not taken and not is_integer(layer):
        msg = (
            f"layer {layer_name!r} held whole numbers when size factors were computed and does not "
            "now: was it normalised since? Restore the counts, or rerun pp.size_factors."
        )
        raise ValueError(msg)
    factor = adata.obs[factor_name].to_numpy(dtype=np.float64)
    if not (np.isfinite(factor).all() and (factor >= 0).all()):
        msg = f"adata.obs[{factor_name!r}] must be finite and not negative; rerun pp.size_factors."
        raise ValueError(msg)
    some = factor > 0
    return np.where(some, 1.0 / np.where(some, factor, 1.0), 0.0)
