"""Arrows of sign-flipped controls, and which of their cells have a significant direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys

from ._fit_params import made_entry

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["control_arrows", "determined_in_controls", "seed_of_tests"]


def control_arrows(adata: AnnData, basis: str, key: str) -> NDArray[np.float64]:
    """Return the arrows of controls, (cells, controls, dimensions); refuse if there are none."""
    rerun = f"tl.randomized_velocity(adata, basis={basis!r})"
    stored = _keys.RANDOMIZED.read(adata, key, basis, remedy=f"run {rerun} first.")
    made_entry(adata, key, "randomized", rerun, under=basis)
    arrows = np.asarray(stored, dtype=np.float64)
    drawn = _keys.VELOCITY_EMBEDDING.read(adata, key, basis)
    if arrows.shape[::2] != drawn.shape:
        msg = (
            f"obsm[{_keys.RANDOMIZED.of(key, basis)!r}] has the shape {arrows.shape}, and the "
            f"arrows of the data have {drawn.shape}, so it has no arrows of their controls; rerun "
            f"{rerun}."
        )
        raise ValueError(msg)
    return arrows


def determined_in_controls(adata: AnnData, basis: str, key: str) -> NDArray[np.bool_] | None:
    """Return whether the direction of each cell is significant in the controls with arrows.

    The shape is (cells, controls); it has no more controls than were tested. None if directions
    were not tested in controls with these signs.
    """
    tested = _keys.DETERMINED_IN_CONTROLS.read(adata, key, basis, default=None)
    made = _keys.PARAMS.read(adata, key)
    drawn = made.get("randomized", {}).get(basis, {}).get("rng")
    if tested is None or drawn is None or drawn != seed_of_tests(adata, basis, key):
        return None
    return np.asarray(tested, dtype=bool)


def seed_of_tests(adata: AnnData, basis: str, key: str) -> int | None:
    """Return the seed of the controls in which directions were tested; None if there are none."""
    made = _keys.PARAMS.read(adata, key, default={}).get("directions", {}).get(basis, {})
    return int(made["rng"]) if "rng" in made else None
