"""A counter's files as h5ad."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ._errors import plain_errors
from ._speech import AsJson, Quiet, Speech

__all__ = ["AmbiguousChoice", "import_counts"]


AmbiguousChoice = StrEnum("AmbiguousChoice", ["default", "drop", "spliced", "unspliced", "keep"])


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
