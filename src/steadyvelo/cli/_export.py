"""The command that writes a result for another package."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from steadyvelo._version import __version__

from ._errors import plain_errors
from ._imports import importing
from ._options import NThreads, VelocityKey
from ._speech import AsJson, Quiet, Speech

__all__ = ["export"]

Tool = StrEnum("Tool", ["scvelo", "cellrank", "cellxgene", "loom"])


def export(
    result: Annotated[Path, typer.Argument(help="h5ad file that `steadyvelo run` wrote.")],
    tool: Annotated[
        Tool, typer.Option("--for", help="The package that will read the file, or loom.")
    ],
    out: Annotated[Path, typer.Option(help="File to write: .loom for loom, otherwise .h5ad.")],
    velocity_key: VelocityKey = "velocity",
    n_threads: NThreads = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write RESULT to a file that scVelo, CellRank, cellxgene or a reader of loom files can use.

    What was changed or left out is printed, with the reason. RESULT is not changed.

    Example: steadyvelo export result.h5ad --for scvelo --out for_scvelo.h5ad

    Example: steadyvelo export result.h5ad --for loom --out result.loom
    """
    speech = Speech(quiet, as_json)
    with plain_errors(quiet=quiet), speech.heard():
        with importing():
            from steadyvelo.interop import export as write_export  # noqa: PLC0415
            from steadyvelo.io._analysed import load_analysed  # noqa: PLC0415
            from steadyvelo.io._files import check_target  # noqa: PLC0415

        target = check_target(out, [result])
        adata = load_analysed(result)
        notes = write_export(
            adata, target, tool=tool.value, velocity_key=velocity_key, n_threads=n_threads
        )
        speech.say(f"wrote {target}")
        speech.sum_up({"version": __version__, "files": [str(target)], "notes": notes})
