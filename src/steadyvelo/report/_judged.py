"""What was tested of the directions on an embedding, read in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from steadyvelo import _keys

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["Judged"]


@dataclass(frozen=True, eq=False)
class Judged:
    """Results of :func:`steadyvelo.tl.direction` and :func:`steadyvelo.tl.reliability`.

    Attributes
    ----------
    directions
        How directions on this embedding were tested; None where they were not.
    clusters, checks, sensitivity
        Tables of verdicts about this embedding; None where there are none.
    groupby
        Column of the clusters that were judged, or the empty string.
    """

    directions: dict[str, Any] | None
    clusters: pd.DataFrame | None
    checks: pd.DataFrame | None
    sensitivity: pd.DataFrame | None
    groupby: str

    @classmethod
    def read(cls, adata: AnnData, key: str, basis: str) -> Self:
        """Read what is about this embedding, and nothing that is about another."""
        params = _keys.PARAMS.read(adata, key)
        directions = params.get("directions", {}).get(basis)
        about = params.get("reliability", {})
        if directions is None or about.get("basis") != basis:
            return cls(directions, None, None, None, "")
        fields = (_keys.RELIABILITY, _keys.RELIABILITY_CHECKS, _keys.SENSITIVITY)
        tables = [field.read(adata, key, default=None) for field in fields]
        return cls(directions, *tables, str(about["groupby"]))
