"""What a fit has left in an AnnData, for the steps that build on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_key, listed

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.model._weights import Quantiles

__all__ = ["Fitted"]

_REQUIRED = ("moments", "weights", "quantiles", "cells_hash", "n_cells")


@dataclass(frozen=True)
class Fitted:
    """Lines and parameters of a fit.

    Attributes
    ----------
    key
        The velocity key.
    gamma, offset
        Lines per gene of `adata`, NaN where there is no fit.
    velocity_genes
        Genes that meet all criteria.
    params
        What :func:`steadyvelo.tl.velocity` wrote to ``uns``.
    """

    key: str
    gamma: NDArray[np.float64]
    offset: NDArray[np.float64]
    velocity_genes: NDArray[np.bool_]
    params: dict[str, Any]

    @classmethod
    def read(cls, adata: AnnData, key: str) -> Fitted:
        """Read a fit; refuse with the remedy where there is none."""
        remedy = f"run tl.velocity(adata, key_added={key!r}) first, or steadyvelo run on its file."
        columns = [
            check_key(adata, "var", field.of(key), remedy).to_numpy()
            for field in (_keys.GAMMA, _keys.OFFSET, _keys.VELOCITY_GENES)
        ]
        params = dict(check_key(adata, "uns", _keys.PARAMS.of(key), remedy))
        missing = [name for name in _REQUIRED if name not in params]
        if missing:
            msg = (
                f"uns[{_keys.PARAMS.of(key)!r}] lacks {listed(missing)}: another tool has written "
                f"it. Rerun tl.velocity(adata, key_added={key!r})."
            )
            raise ValueError(msg)
        return cls(
            key,
            columns[0].astype(np.float64),
            columns[1].astype(np.float64),
            columns[2].astype(bool),
            params,
        )

    @property
    def quantiles(self) -> Quantiles:
        """Quantiles of the rule `"extremes"`, as the fit used them."""
        low, high = (None if np.isnan(q) else float(q) for q in self.params["quantiles"])
        return low, high
