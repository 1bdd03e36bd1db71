"""The part of the data that a run uses, without a second copy of the counts while it works."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from steadyvelo import _keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["own_counts", "sharing_counts", "used_part"]

_SHARING: ContextVar[bool] = ContextVar("sharing", default=False)


@contextmanager
def sharing_counts() -> Iterator[None]:
    """Let results take counts and X from the data, for callers that do not use the data again."""
    token = _SHARING.set(True)
    try:
        yield
    finally:
        _SHARING.reset(token)


def used_part(adata: AnnData, marked: AnnData, counts: Iterable[str]) -> AnnData:
    """Return the data of the genes that are used, with the columns of `marked`.

    If all genes are used, the result shares X and the layers of `counts` with the data until
    :func:`own_counts`. Otherwise it has copies; a caller that does not use the data again loses
    each layer when its part is copied, so that memory holds the counts once. Without an X, it is
    the first layer.
    """
    used = _keys.GENES_USED.values(marked)
    whole = used.all() and adata.raw is None and not (adata.is_view or adata.isbacked)
    first, second = counts
    if whole:
        result = _sharing(adata, {first, second})
    elif _SHARING.get() and not (adata.is_view or adata.isbacked):
        result = _taken(adata, marked, used)
    else:
        result = adata[:, used].copy()
    result.obs, result.var = marked.obs, marked.var[used].copy()
    if result.X is None:
        result.X = result.layers[first]
    _keys.SIZE_PARAMS.write(result, _keys.SIZE_PARAMS.read(marked))
    # smoothed layers of an earlier run are removed; those of another tool are used
    if _keys.MOMENTS_PARAMS.is_in(result):
        for field in (_keys.MOMENTS_PARAMS, _keys.MS, _keys.MU):
            field.drop(result)
    return result


def own_counts(result: AnnData, adata: AnnData, counts: Iterable[str]) -> None:
    """Copy what a result shares with the data, so that later changes of one keep the other."""
    if _SHARING.get():
        return
    for name in counts:
        if _same(result.layers[name], adata.layers[name]):
            result.layers[name] = result.layers[name].copy()
    theirs = [adata.X, *(adata.layers[name] for name in counts)]
    ours = [result.layers[name] for name in counts]
    if any(_same(result.X, x) for x in (*theirs, *ours)):
        result.X = result.X.copy()


def _same(x: Any, y: Any) -> bool:
    """Tell whether two matrices have the same memory."""
    if x is None or y is None:
        return False
    both = [m.data if sp.issparse(m) else np.asarray(m) for m in (x, y)]
    return np.may_share_memory(*both)


def _taken(adata: AnnData, marked: AnnData, used: NDArray[np.bool_]) -> AnnData:
    """Return the used genes; layers and X are removed from the data one after the other."""
    layers = {}
    # anndata 0.13 stores X as the layer None
    for name in [name for name in adata.layers if name is not None]:
        layers[name] = adata.layers[name][:, used]
        del adata.layers[name]
        if name in marked.layers:
            del marked.layers[name]
    x = None if adata.X is None else adata.X[:, used]
    adata.X = None
    result: AnnData = adata[:, used].copy()
    result.X = x
    for name, layer in layers.items():
        result.layers[name] = layer
    return result


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
    uns = deepcopy(dict(adata.uns))
    return AnnData(adata.X, obs=adata.obs, var=adata.var, uns=uns, **slots)
