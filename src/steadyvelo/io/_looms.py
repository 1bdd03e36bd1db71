"""Several loom files that are parts of one sample: one per chromosome, or one per cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import listed
from steadyvelo._log import say

from ._layers import TOTALS, write_totals
from ._loom import read_loom

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

__all__ = ["loom_files", "read_looms"]

# parts of one sample have at most so many cells each if they are cells in wells
_CELLS_OF_A_WELL = 1


def loom_files(folder: Path) -> list[Path]:
    """Return the loom files in a folder, or in its folder `velocyto`, which velocyto writes."""
    places = (folder, folder / "velocyto")
    return next((found for place in places if (found := sorted(place.glob("*.loom")))), [])


def read_looms(paths: list[Path], **options: Any) -> AnnData:
    """Read the parts of one sample; refuse the files of several samples."""
    if len(paths) == 1:
        return read_loom(paths[0], **options)
    parts = [read_loom(path, **options) for path in paths]
    first = parts[0]
    if all(set(part.obs_names) == set(first.obs_names) for part in parts):
        whole = _joined([part[first.obs_names] for part in parts], axis="var", what="genes")
    elif all(part.n_obs <= _CELLS_OF_A_WELL for part in parts):
        whole = _joined(parts, axis="obs", what="cells")
    else:
        msg = (
            f"{paths[0].parent} has {len(paths)} loom files "
            f"({listed([path.name for path in paths], 4)}), which seem to be of several samples; "
            "read one of them, or attach them by SAMPLE=FILE for each."
        )
        raise ValueError(msg)
    _keys.IMPORT.write(whole, {**first.uns[_keys.IMPORT.of()], "source": paths[0].parent.name})
    return whole


def _joined(parts: list[AnnData], *, axis: str, what: str) -> AnnData:
    """Return parts side by side; refuse names that are in several of them."""
    names = pd.Index([]).append([getattr(part, f"{axis}_names") for part in parts])
    if not names.is_unique:
        doubled = names[names.duplicated()].unique()
        msg = (
            f"several of the loom files have the same {what} ({listed(doubled, 3)}), so they are "
            "not parts of one sample; read one of them."
        )
        raise ValueError(msg)
    say(f"joined {len(parts)} loom files, which have different {what}")
    whole: AnnData = anndata.concat(parts, axis=axis, merge="same")
    # totals of parts are not those of the whole
    totals = [field.of() for field in TOTALS.values()]
    whole.obs = whole.obs.drop(columns=[name for name in totals if name in whole.obs])
    write_totals(whole)
    return whole
