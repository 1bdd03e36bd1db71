"""The pictures that `run` leaves beside its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import pandas as pd

from steadyvelo import _keys
from steadyvelo.io._files import replacing

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from anndata import AnnData

__all__ = ["write_pictures"]

_N_PORTRAITS = 8


def write_pictures(
    result: AnnData,
    target: Path,
    files: ExitStack,
    *,
    color: str | None,
    basis: str = "umap",
) -> list[Path]:
    """Write the stream, and phase portraits of the well-counted genes that fit best.

    Parameters
    ----------
    result
        Result of :func:`steadyvelo.run`.
    target
        File of the result; its name without the ending begins the pictures' names.
    files
        Where the pictures' temporary files are kept: they get their names when it ends well.
    color
        Column of ``obs`` to colour by; None looks for one with a usual name.
    basis
        Embedding of the stream.

    Returns
    -------
    The files.
    """
    mpl.use("agg")
    from steadyvelo import pl  # noqa: PLC0415 (after the backend is chosen)

    if color is None:
        color = next((name for name in _keys.CLUSTER_COLUMNS if name in result.obs), None)
    good = result.var[result.var[_keys.VELOCITY_GENES.of()].to_numpy(dtype=bool)]
    # a gene seen in a handful of cells can fit best of all, and shows nothing
    seen = good[_keys.SHARED_COUNTS.of()] >= good[_keys.SHARED_COUNTS.of()].median()
    best = good[seen].sort_values(_keys.R2.of(), ascending=False).index[:_N_PORTRAITS]
    drawings = {
        "stream": pl.velocity_stream(result, basis=basis, color=color),
        "phase_portraits": pl.phase_portrait(result, list(best), color=color),
    }
    paths = []
    for name, axes in drawings.items():
        path = target.with_name(f"{target.stem}_{name}.png")
        figure = pd.Series(axes, dtype=object).iloc[0].figure
        figure.savefig(files.enter_context(replacing(path)), dpi=150)
        mpl.pyplot.close(figure)
        paths.append(path)
    return paths
