"""Counts for cells that were analysed without them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._errors import plain_errors
from ._import import AmbiguousChoice
from ._speech import AsJson, Quiet, Speech

__all__ = ["attach"]


def attach(
    analysed: Annotated[Path, typer.Argument(help="h5ad file that was analysed without counts.")],
    counts: Annotated[
        list[str],
        typer.Argument(help="What a counter wrote; for several samples SAMPLE=PATH of each."),
    ],
    out: Annotated[Path, typer.Option(help="h5ad file to write.")],
    sample: Annotated[
        str | None, typer.Option(help="Column of obs that holds the sample of each cell.")
    ] = None,
    min_overlap: Annotated[float, typer.Option(help="Share of cells that must be found.")] = 0.9,
    ambiguous: Annotated[
        AmbiguousChoice, typer.Option(help="What becomes of ambiguous molecules.")
    ] = AmbiguousChoice.default,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Bring spliced and unspliced counts to the cells of ANALYSED.

    Example: steadyvelo attach cells.h5ad lung=run1/Solo.out liver=run2/Solo.out --sample organ
    --out counts.h5ad
    """
    with plain_errors(quiet=quiet):
        from steadyvelo.io import attach_counts, read, write_h5ad  # noqa: PLC0415
        from steadyvelo.io._anndata_files import load_h5ad  # noqa: PLC0415
        from steadyvelo.io._files import check_target  # noqa: PLC0415

        from ._summary import counts_summary  # noqa: PLC0415

        speech = Speech(quiet, as_json)
        target = check_target(out)
        named = [entry.partition("=") for entry in counts]
        if len(counts) > 1 and not all(separator for _, separator, _ in named):
            msg = f"several counts need names, as in SAMPLE=PATH; got {' '.join(counts)}."
            raise ValueError(msg)
        adata = load_h5ad(analysed)
        # a path may hold "=" itself
        if len(counts) == 1 and (Path(counts[0]).exists() or not named[0][1]):
            tables = read(counts[0], ambiguous=ambiguous.value)
        else:
            tables = {name: read(path, ambiguous=ambiguous.value) for name, _, path in named}
        found = attach_counts(adata, tables, sample=sample, min_overlap=min_overlap, quiet=True)
        write_h5ad(adata, target)
        speech.say(f"{found}\nwrote {target}")
        speech.sum_up(counts_summary(adata, [target]))
