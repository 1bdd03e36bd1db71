"""Checks of the counts before anything is fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._errors import plain_errors
from ._speech import AsJson, Quiet, Speech

__all__ = ["inspect"]


def inspect(
    counts: Annotated[Path, typer.Argument(help="h5ad file, or what a counter wrote.")],
    groupby: Annotated[str | None, typer.Option(help="Column of obs to compare.")] = None,
    spliced: Annotated[str | None, typer.Option(help="Layer of spliced counts.")] = None,
    unspliced: Annotated[str | None, typer.Option(help="Layer of unspliced counts.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Check the counts before anything is fitted, a verdict a line.

    Ends with 3 where a verdict is "stop".

    Example: steadyvelo inspect counts.h5ad --groupby sample

    Example: steadyvelo inspect Solo.out --json --quiet > checks.json
    """
    with plain_errors(quiet=quiet):
        from steadyvelo.io import read  # noqa: PLC0415
        from steadyvelo.pp import qc  # noqa: PLC0415

        from ._summary import (  # noqa: PLC0415
            checks_summary,
            proportion_lines,
            refuse_stop,
            verdict_lines,
        )

        adata = read(counts, spliced=spliced, unspliced=unspliced)
        table = qc(adata, groupby=groupby)
        speech = Speech(quiet, as_json)
        speech.say("\n".join(verdict_lines(table)))
        if groupby is not None:
            speech.say("\n".join(proportion_lines(adata)))
        speech.sum_up(checks_summary(adata, table))
        refuse_stop(table)
