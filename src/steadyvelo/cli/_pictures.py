"""The pictures that `run` leaves beside its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._groups import cluster_column

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

__all__ = ["PICTURES", "write_pictures"]

# what lies beside a result, by the end of its name
PICTURES = ("stream", "phase_portraits")

_N_PORTRAITS = 8


def write_pictures(
    result: AnnData, paths: list[Path], *, color: str | None, basis: str = "umap"
) -> None:
    """Write the stream, and phase portraits of the well-counted genes that fit best.

    Files are in the order of :data:`PICTURES`. Without `color` a column with a usual name is taken.
    """
    mpl.use("agg")
    from steadyvelo import pl  # noqa: PLC0415 (after the backend is chosen)

    if color is None:
        color = cluster_column(result)
    good = result.var[_keys.VELOCITY_GENES.values(result)]
    # a gene seen in a handful of cells can fit best of all, and shows nothing
    seen = good[_keys.SHARED_COUNTS.of()] >= good[_keys.SHARED_COUNTS.of()].median()
    best = good[seen].sort_values(_keys.R2.of(), ascending=False).index[:_N_PORTRAITS]
    drawings = (
        pl.velocity_stream(result, basis=basis, color=color),
        pl.phase_portrait(result, list(best), color=color),
    )
    for axes, path in zip(drawings, paths, strict=True):
        figure = pd.Series(axes, dtype=object).iloc[0].figure
        figure.savefig(path, dpi=150)
        mpl.pyplot.close(figure)
