"""Gene blocks of an AnnData, from counts or from layers, and the record of what was smoothed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo.engine import CellOrder, CountsSource, LayerSource, SmoothingOperator

from ._chain import rerun_chain
from ._checks import check_key, is_integer, warn
from ._kind_of_counts import fractional_values, is_normalised
from ._provenance import check_cells, check_schema, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from ._inputs import Inputs

__all__ = [
    "SmoothingRecord",
    "check_record",
    "counts_source",
    "has_moments",
    "layer_source",
    "smoothing_record",
    "write_moments",
]

# key of the checksums of counts that were smoothed for the layers Ms and Mu
MOMENTS = "moments"
# share of the genes below which their values are checked without those of the others
_FEW = 0.25
_KINDS = ("spliced", "unspliced")
_CHECKSUMS = (_keys.SPLICED_CHECKSUM, _keys.UNSPLICED_CHECKSUM)


def has_moments(adata: AnnData) -> bool:
    """Tell whether smoothed layers exist; refuse one without the other."""
    there = [field.of() for field in (_keys.MS, _keys.MU) if field.is_in(adata)]
    if len(there) == 1:
        missing = _keys.MU if there == [_keys.MS.of()] else _keys.MS
        msg = (
            f"adata.layers has {there[0]!r} but not {missing.of()!r}; delete {there[0]!r}, or run "
            "pp.moments."
        )
        raise ValueError(msg)
    return len(there) == 2


def layer_source(
    adata: AnnData, genes: NDArray[np.int64], order: CellOrder | None = None
) -> LayerSource:
    """Return blocks of the layers Ms and Mu; refuse values that are no abundances.

    None as `order` means the order of the cells.
    """
    layers = []
    for field in (_keys.MS, _keys.MU):
        layer = field.read(adata)
        if hasattr(layer, "indptr"):
            values = layer.data
        else:
            # for pictures of a few genes, most of the time would be spent on values of the others
            values = layer[:, genes] if len(genes) < _FEW * adata.n_vars else layer
        # NaN is neither at least 0 nor finite
        if values.size and not (values.min() >= 0 and np.isfinite(values.max())):
            msg = f"layer {field.of()!r} has NaN, infinite or negative values; rerun pp.moments."
            raise ValueError(msg)
        layers.append(layer)
    return LayerSource(*layers, genes, order or CellOrder.identity(adata.n_obs))


def counts_source(
    inputs: Inputs,
    genes: NDArray[np.int64],
    *,
    spliced: str = "spliced",
    unspliced: str = "unspliced",
    neighbors_key: str | None = None,
    keep_counts: bool = False,
    in_float32: bool = False,
) -> CountsSource:
    """Return blocks that are smoothed from counts when they are needed.

    Their rows are sorted along the neighbour graph; with `keep_counts` they also contain the
    counts, and with `in_float32` means are summed as scVelo's.
    """
    counts = inputs.counts(spliced), inputs.counts(unspliced)
    scales = _inverse_factors(inputs, spliced, unspliced)
    graph = inputs.connectivities(neighbors_key)
    smoothing = SmoothingOperator.from_connectivities(graph, inputs.cells)
    order = CellOrder.along(smoothing.indptr, smoothing.indices)
    smoothing = smoothing.reordered(order)
    return CountsSource(
        *counts,
        genes,
        order,
        *scales,
        smoothing,
        keep_counts,
        in_float32=in_float32,
    )


@dataclass(frozen=True)
class SmoothingRecord:
    """Record of what was smoothed and how, by which later changes are detected.

    `params` are names and hashes for ``uns``; `sums` are checksums of the spliced and of the
    unspliced layer per gene, for ``var``.
    """

    params: dict[str, Any]
    sums: tuple[NDArray[np.float64], NDArray[np.float64]]

    def write_sums(self, adata: AnnData, key: str = MOMENTS) -> None:
        """Write the checksums to ``var``."""
        for field, column in zip(_CHECKSUMS, self.sums, strict=True):
            field.write(adata, column, key)


def smoothing_record(
    inputs: Inputs, spliced: str, unspliced: str, neighbors_key: str | None
) -> SmoothingRecord:
    """Return the record of what would be smoothed now."""
    params = {
        "spliced": spliced,
        "unspliced": unspliced,
        "neighbors_key": neighbors_key or "",
        "neighbors_hash": inputs.neighbors_hash(neighbors_key),
        "factors_hash": inputs.factors_hash,
        **stamp(inputs.adata, inputs.cells_hash),
    }
    return SmoothingRecord(params, (inputs.checksums(spliced), inputs.checksums(unspliced)))


def write_moments(
    adata: AnnData,
    spliced: NDArray[np.float32],
    unspliced: NDArray[np.float32],
    record: SmoothingRecord,
) -> None:
    """Write the layers Ms and Mu and the record of what was smoothed."""
    _keys.MS.write(adata, spliced)
    _keys.MU.write(adata, unspliced)
    _keys.MOMENTS_PARAMS.write(adata, record.params)
    record.write_sums(adata)


def check_record(inputs: Inputs, record: Mapping[str, Any], key: str, *steps: str) -> None:
    """Refuse smoothed counts if their cells, neighbours, size factors or counts have changed.

    `record` are the parameters of a :class:`SmoothingRecord`; its sums are in ``var`` under `key`.
    `steps` are the function that smoothed them and those that follow from it.
    """
    named = record["neighbors_key"] or None
    rerun = partial(rerun_chain, inputs.adata, *steps, neighbors_key=named, smoothed_before=True)
    check_cells(inputs.adata, record, "the smoothing", rerun, inputs.cells_hash)
    if record["neighbors_hash"] != inputs.neighbors_hash(named):
        msg = f"the neighbour graph has changed since counts were smoothed; rerun {rerun()}."
        raise ValueError(msg)
    if record["factors_hash"] != inputs.factors_hash:
        msg = (
            f"size factors or used cells have changed since counts were smoothed; rerun {rerun()}."
        )
        raise ValueError(msg)
    for kind, field in zip(_KINDS, _CHECKSUMS, strict=True):
        adata, layer = inputs.adata, record[kind]
        if layer not in adata.layers:
            remedy = f"restore it, because it was smoothed, or rerun {rerun()}."
            check_key(adata, "layers", layer, remedy)
        if not field.is_in(adata, key):
            continue
        same = np.isclose(inputs.checksums(layer), field.values(adata, key), rtol=1e-6, atol=1e-9)
        if not same.all():
            msg = (
                f"layer {layer!r} has changed since it was smoothed (first in gene "
                f"{adata.var_names[~same][0]!r}); rerun {rerun()}."
            )
            raise ValueError(msg)


def _inverse_factors(inputs: Inputs, spliced: str, unspliced: str) -> NDArray[np.float64]:
    """Return 1 / size factor of the counts of both layers, shape (2, cells)."""
    layers = zip(_KINDS, (spliced, unspliced), strict=True)
    return np.stack([_inverse_factor(inputs, *layer) for layer in layers])


def _inverse_factor(inputs: Inputs, kind: str, layer_name: str) -> NDArray[np.float64]:
    """Return 1 / size factor; 0 for a cell without counts, which then has no influence."""
    adata, layer = inputs.adata, inputs.counts(layer_name)
    field = _keys.SPLICED_FACTOR if kind == "spliced" else _keys.UNSPLICED_FACTOR
    if not field.is_in(adata):
        if not is_normalised(layer):
            msg = f"adata.obs has no {field.of()!r}; run pp.size_factors(adata) first."
            raise KeyError(msg)
        warn(fractional_values(layer_name, normalised=True))
        return np.ones(adata.n_obs)
    made = _keys.SIZE_PARAMS.read(adata, default={})
    if made:
        check_schema(made, f"uns[{_keys.SIZE_PARAMS.of()!r}]", "pp.size_factors")
    if made.get(f"{kind}_whole_numbers", False) and not is_integer(layer):
        msg = (
            f"the values of layer {layer_name!r} were whole numbers when size factors were "
            "computed, and some no longer are. If the layer was normalised since then, restore the "
            "counts; otherwise rerun pp.size_factors."
        )
        raise ValueError(msg)
    factor = field.read(adata).to_numpy(dtype=np.float64)
    if not (np.isfinite(factor).all() and (factor >= 0).all()):
        msg = f"adata.obs[{field.of()!r}] has negative or non-finite values; rerun pp.size_factors."
        raise ValueError(msg)
    some = factor > 0
    return np.where(some, 1.0 / np.where(some, factor, 1.0), 0.0)
