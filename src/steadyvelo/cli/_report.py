"""The command that writes a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steadyvelo._version import __version__

from ._errors import plain_errors
from ._imports import importing
from ._options import MaxMemory, NThreads, VelocityKey, seed
from ._speech import AsJson, Quiet, Speech

__all__ = ["report"]


def report(
    result: Annotated[Path, typer.Argument(help="h5ad file that `steadyvelo run` wrote.")],
    out: Annotated[Path, typer.Option(help="html file to write.")],
    groupby: Annotated[
        str, typer.Option(help="Column of obs with clusters; auto finds one, none uses none.")
    ] = "auto",
    basis: Annotated[
        str, typer.Option(help="Embedding of the arrows; auto finds one with arrows.")
    ] = "auto",
    velocity_key: VelocityKey = "velocity",
    title: Annotated[
        str | None, typer.Option(help="Title of the page (default: contains the file name).")
    ] = None,
    n_portraits: Annotated[
        int, typer.Option(help="Number of best and of worst genes to draw.")
    ] = 8,
    rng: Annotated[
        int | None,
        typer.Option(
            parser=seed,
            metavar="<int>|none",
            help="Seed of sign-flipped controls, if RESULT has none and no tests of directions; "
            "none draws one.",
        ),
    ] = 0,
    max_memory: MaxMemory = None,
    n_threads: NThreads = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write a report on RESULT: first the verdicts, then the arrows.

    The page is one html file and needs no internet connection. RESULT is not changed.

    Example: steadyvelo report result.h5ad --out report.html --title "Mouse pancreas"
    """
    speech = Speech(quiet, as_json)
    with plain_errors(quiet=quiet), speech.heard():
        with importing():
            from steadyvelo.io._analysed import load_analysed  # noqa: PLC0415
            from steadyvelo.io._files import check_target  # noqa: PLC0415

        target = check_target(out, [result])
        adata = load_analysed(result)
        with importing():
            import matplotlib as mpl  # noqa: PLC0415

            mpl.use("agg")
            from steadyvelo.report import headline, write  # noqa: PLC0415

        write(
            adata,
            target,
            groupby=None if groupby == "none" else groupby,
            basis=basis,
            velocity_key=velocity_key,
            title=title or f"RNA velocity of {result.stem}",
            n_portraits=n_portraits,
            rng=rng,
            max_memory=max_memory,
            n_threads=n_threads,
            progress=speech.bars,
        )
        speech.say(f"wrote {target}")
        said = headline(adata, basis=basis, velocity_key=velocity_key)
        written = {"files": [str(target)], "bytes": target.stat().st_size}
        speech.sum_up({"version": __version__, **written, "headline": said})
