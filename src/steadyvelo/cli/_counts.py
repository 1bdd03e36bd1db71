"""Commands on counts: check them, import them, attach them to analysed cells."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ._errors import plain_errors
from ._speech import AsJson, Quiet, Speech

__all__ = ["attach", "import_counts", "inspect"]

AmbiguousChoice = StrEnum("AmbiguousChoice", ["default", "drop", "spliced", "unspliced", "keep"])


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


def import_counts(
    path: Annotated[Path, typer.Argument(help="File or folder that a counter wrote.")],
    out: Annotated[Path, typer.Option(help="h5ad file to write.")],
    ambiguous: Annotated[
        AmbiguousChoice,
        typer.Option(help="What becomes of ambiguous molecules; default is what the tool means."),
    ] = AmbiguousChoice.default,
    spliced: Annotated[str | None, typer.Option(help="Layer of spliced counts.")] = None,
    unspliced: Annotated[str | None, typer.Option(help="Layer of unspliced counts.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Read the counts at PATH, whichever tool wrote them, and write them as h5ad.

    STARsolo (Velocyto), kb-python (nac, lamanno), alevin-fry (USA mode), velocyto's loom, h5ad
    and zarr are recognised by their content.

    Example: steadyvelo import Solo.out --out counts.h5ad
    """
    with plain_errors(quiet=quiet):
        import logging  # noqa: PLC0415

        from steadyvelo.io import read, write_h5ad  # noqa: PLC0415
        from steadyvelo.io._files import check_target  # noqa: PLC0415

        from ._summary import counts_summary  # noqa: PLC0415

        if not quiet:
            logging.basicConfig(level=logging.INFO, format="%(message)s")
        speech = Speech(quiet, as_json)
        target = check_target(out)
        adata = read(path, ambiguous=ambiguous.value, spliced=spliced, unspliced=unspliced)
        write_h5ad(adata, target)
        speech.say(f"wrote {target}: {adata.n_obs:,} cells × {adata.n_vars:,} genes")
        speech.sum_up(counts_summary(adata, [target]))


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
