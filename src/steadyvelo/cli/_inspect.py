"""Checks of the counts before anything is fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._errors import plain_errors

__all__ = ["inspect"]


def inspect(
    counts: Annotated[Path, typer.Argument(help="h5ad file, or what a counter wrote.")],
    groupby: Annotated[str | None, typer.Option(help="Column of obs to compare.")] = None,
    spliced: Annotated[str | None, typer.Option(help="Layer of spliced counts.")] = None,
    unspliced: Annotated[str | None, typer.Option(help="Layer of unspliced counts.")] = None,
) -> None:
    """Check the counts before anything is fitted, a verdict a line.

    Ends with 3 where a verdict is "stop".

    Example: steadyvelo inspect counts.h5ad --groupby sample
    """
    with plain_errors():
        from steadyvelo.io import read  # noqa: PLC0415
        from steadyvelo.pp import qc  # noqa: PLC0415

        from ._verdicts import proportion_lines, refuse_stop, verdict_lines  # noqa: PLC0415

        adata = read(counts, spliced=spliced, unspliced=unspliced)
        table = qc(adata, groupby=groupby)
        typer.echo("\n".join(verdict_lines(table)))
        if groupby is not None:
            typer.echo("\n".join(proportion_lines(adata)))
        refuse_stop(table)
