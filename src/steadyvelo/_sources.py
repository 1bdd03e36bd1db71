"""Gene blocks from an AnnData: smoothed on the fly, or from the layers Ms and Mu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._checks import check_counts, check_key, is_integer, warn
from steadyvelo._neighbor_graph import connectivities
from steadyvelo._provenance import (
    check_cells,
    check_genes_unchanged,
    gene_sums,
    hash_pattern,
    hash_values,
    stamp,
)
from steadyvelo.engine import CountsSource, LayerSource, SmoothingOperator

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import MomentSource

__all__ = [
    "SmoothingRecord",
    "check_moments_unchanged",
    "counts_source",
    "fitted_source",
    "has_moments",
    "layer_source",
    "smoothing_record",
    "used_cells",
    "write_moments",
]

# under which the sums of smoothed counts are kept for the layers Ms and Mu
_MOMENTS = "moments"


def used_cells(adata: AnnData) -> NDArray[np.bool_]:
    """Return the cells that are not flagged, shape (cells,)."""
    if _keys.CELLS_USED.of() not in adata.obs:
        return np.ones(adata.n_obs, dtype=bool)
    return adata.obs[_keys.CELLS_USED.of()].to_numpy(dtype=bool)


def has_moments(adata: AnnData) -> bool:
    """Tell whether smoothed layers exist."""
    return _keys.MS.of() in adata.layers and _keys.MU.of() in adata.layers


def layer_source(adata: AnnData, genes: NDArray[np.int64]) -> LayerSource:
    """Return blocks of the layers Ms and Mu."""
    layers = []
    for field in (_keys.MS, _keys.MU):
        layer = adata.layers[field.of()]
        if not np.isfinite(layer.data if hasattr(layer, "indptr") else layer).all():
            msg = f"layer {field.of()!r} holds NaN or infinite values; rerun pp.moments."
            raise ValueError(msg)
        layers.append(layer)
    return LayerSource(*layers, genes)


def counts_source(
    adata: AnnData,
    genes: NDArray[np.int64],
    *,
    spliced: str = "spliced",
    unspliced: str = "unspliced",
    neighbors_key: str | None = None,
) -> CountsSource:
    """Return blocks that are smoothed from counts when they are asked for."""
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
    return CountsSource.from_counts(
        counts[0],
        counts[1],
        spliced_scale=scales[0],
        unspliced_scale=scales[1],
        smoothing=SmoothingOperator.from_connectivities(
            connectivities(adata, neighbors_key), cells
        ),
        genes=genes,
    )


@dataclass(frozen=True)
class SmoothingRecord:
    """What counts were smoothed with, kept so that a later change is noticed.

    Attributes
    ----------
    params
        Names and hashes, for ``uns``.
    sums
        Sums of the spliced and the unspliced layer per gene, for ``var``: they are sliced with
        the genes, which a hash is not.
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
        params, (gene_sums(adata.layers[spliced]), gene_sums(adata.layers[unspliced]))
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


def check_moments_unchanged(adata: AnnData) -> None:
    """Refuse layers Ms and Mu that belong to other cells, neighbours, sizes or counts.

    Layers of another tool carry no record and are taken as they are.
    """
    params = adata.uns.get(_keys.MOMENTS_PARAMS.of())
    if params is not None:
        _check_unchanged(
            adata, dict(params), _MOMENTS, "pp.moments (or delete the layers Ms and Mu)"
        )


def fitted_source(
    adata: AnnData, genes: NDArray[np.int64], params: dict[str, Any], key: str
) -> MomentSource:
    """Return the blocks a fit has seen; refuse if what they were made from has changed."""
    if params["moments"] == "layers":
        check_cells(adata, params, "the fit", "pp.neighbors and tl.velocity")
        for field in (_keys.MS, _keys.MU):
            check_key(adata, "layers", field.of(), "the fit used it; rerun tl.velocity.")
        check_moments_unchanged(adata)
        return layer_source(adata, genes)
    _check_unchanged(adata, params, key, "tl.velocity")
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
    return _keys.SPLICED_CHECK.of(key), _keys.UNSPLICED_CHECK.of(key)


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
    factor = adata.obs[factor_name].to_numpy(dtype=np.float64)
    if not (np.isfinite(factor).all() and (factor >= 0).all()):
        msg = f"adata.obs[{factor_name!r}] must be finite and not negative; rerun pp.size_factors."
        raise ValueError(msg)
    some = factor > 0
    return np.where(some, 1.0 / np.where(some, factor, 1.0), 0.0)
