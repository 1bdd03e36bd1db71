"""Fingerprints of what results were computed from, one number a cell, by which changes are found.

They are columns of `obs`, so they stay right when cells are left out or sorted, and when clusters
get other names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys

from ._checks import listed

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = [
    "check_coordinates",
    "current_clusters",
    "fingerprints",
    "names_today",
    "on_same_coordinates",
]


def fingerprints(coordinates: NDArray[np.floating]) -> NDArray[np.int32]:
    """Return a number for the coordinates of each cell, from their values in float32."""
    # 0.0 in place of −0.0
    bits = (np.asarray(coordinates, dtype=np.float32) + np.float32(0.0)).view(np.uint32)
    number = np.full(len(bits), 2166136261, dtype=np.uint32)
    for column in bits.T:
        number = (number ^ column) * np.uint32(16777619)
        number ^= number >> np.uint32(15)
    # other programs read signed numbers
    return number.view(np.int32)


def check_coordinates(
    adata: AnnData,
    field: _keys.Field,
    coordinates: NDArray[np.float64],
    key: str,
    basis: str,
    *,
    what: str,
    rerun: str,
) -> None:
    """Refuse results on an embedding whose coordinates have changed since then.

    Results of other tools have no fingerprints.
    """
    if not field.is_in(adata, key, basis):
        return
    other = field.values(adata, key, basis) != fingerprints(coordinates)
    if other.any():
        msg = (
            f"{what} were computed on other coordinates of {basis!r} than those in adata, in "
            f"{int(other.sum()):,} of {adata.n_obs:,} cells ({listed(adata.obs_names[other], 3)}): "
            f"the embedding was computed again or changed. Rerun {rerun}, or restore the embedding."
        )
        raise ValueError(msg)


def on_same_coordinates(adata: AnnData, key: str, basis: str) -> bool:
    """Tell whether arrows and tests of directions are on the same coordinates."""
    fields = (_keys.ARROWS_ON, _keys.DIRECTIONS_ON)
    if not all(field.is_in(adata, key, basis) for field in fields):
        return False
    first, second = (field.values(adata, key, basis) for field in fields)
    return bool(np.array_equal(first, second))


def current_clusters(adata: AnnData, key: str, basis: str) -> dict[str, str]:
    """Return today's name of each cluster whose direction was tested; refuse other clusters.

    Clusters may have got other names, and cells may have been left out.
    """
    table = _keys.CLUSTER_DIRECTIONS.read(adata, key, basis, default=None)
    made = _keys.PARAMS.read(adata, key, default={}).get("directions", {}).get(basis, {})
    groupby = str(made.get("groupby", ""))
    if table is None:
        return {}
    names = [str(name) for name in table.index]
    if groupby not in adata.obs or not _keys.TESTED_CLUSTERS.is_in(adata, key, basis):
        return dict(zip(names, names, strict=True))
    codes = _keys.TESTED_CLUSTERS.values(adata, key, basis)
    rerun = f"tl.reliability(adata, {groupby!r}, basis={basis!r})"
    return names_today(adata, groupby, codes, names, "directions were tested", rerun)


def names_today(
    adata: AnnData,
    groupby: str,
    codes: NDArray[np.integer],
    names: list[str],
    what: str,
    rerun: str,
) -> dict[str, str]:
    """Return today's name of each cluster of a result; refuse other clusters.

    `codes` are the places of the cells' clusters in `names`, and `what` says which result is that
    of these clusters.
    """
    frame = pd.DataFrame({"code": codes, "label": adata.obs[groupby].astype(object).to_numpy()})
    frame = frame[frame["code"] >= 0]
    pairs = frame.drop_duplicates()
    mixed = pairs["label"].isna() | pairs.duplicated("code", keep=False)
    mixed |= pairs.duplicated("label", keep=False)
    if mixed.any():
        first = pairs[mixed].iloc[0]
        msg = (
            f"the clusters in obs[{groupby!r}] are not those whose {what}: cells "
            f"of {names[int(first['code'])]!r} are now in "
            f"{listed(frame.loc[frame['code'] == first['code'], 'label'].unique(), 4)}. Rerun "
            f"{rerun}."
        )
        raise ValueError(msg)
    today = {names[int(row.code)]: str(row.label) for row in pairs.itertuples()}
    return dict(zip(names, names, strict=True)) | today
