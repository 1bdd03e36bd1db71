"""The part of the data that a run uses, without a second copy of the counts while it works."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from anndata import AnnData

from steadyvelo import _keys

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["own_counts", "used_part"]


def used_part(adata: AnnData, marked: AnnData, counts: Iterable[str]) -> AnnData:
    """Return the data of the genes that are used, with the columns of `marked`.

    If all genes are used, the result shares the layers of `counts` with the data until
    :func:`own_counts`. Everything else is a copy.
    """
    used = _keys.GENES_USED.values(marked)
    whole = used.all() and adata.raw is None and not (adata.is_view or adata.isbacked)
    result = _sharing(adata, set(counts)) if whole else adata[:, used].copy()
    result.obs, result.var = marked.obs, marked.var[used].copy()
    _keys.SIZE_PARAMS.write(result, _keys.SIZE_PARAMS.read(marked))
    # smoothed layers of an earlier run are removed; those of another tool are used
    if _keys.MOMENTS_PARAMS.is_in(result):
        for field in (_keys.MOMENTS_PARAMS, _keys.MS, _keys.MU):
            field.drop(result)
    return result


def own_counts(result: AnnData, adata: AnnData, counts: Iterable[str]) -> None:
    """Copy the layers that a result shares with the data, so that later changes stay apart."""
    for name in counts:
        if result.layers[name] is adata.layers[name]:
            result.layers[name] = result.layers[name].copy()


def _sharing(adata: AnnData, shared: set[str]) -> AnnData:
    def copied(slot: str) -> dict[str, Any]:
        values = getattr(adata, slot)
        # anndata 0.13 stores X as the layer None
        return {
            name: values[name] if slot == "layers" and name in shared else values[name].copy()
            for name in values
            if name is not None
        }

    slots = {slot: copied(slot) for slot in ("layers", "obsm", "varm", "obsp", "varp")}
    x = None if adata.X is None else adata.X.copy()
    return AnnData(x, obs=adata.obs, var=adata.var, uns=deepcopy(dict(adata.uns)), **slots)
